#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "event/task.hh"
#include "session/hooks.hh"

namespace perilune::test {

// A script without any callback but on_login, which a test adds.
class LoginHooks : public session::Hooks {
 public:
  event::Task<session::Decision> on_connect() override { co_return session::Proceed{}; }
  event::Task<session::Decision> on_command_phase() override { co_return session::Proceed{}; }
  event::Task<> on_disconnect() override { co_return; }
  std::optional<session::StatementDecision> on_query(std::string_view,
                                                     session::StatementKind) override {
    return session::Proceed{};
  }
  std::optional<session::StatementDecision> on_init_db(std::string_view) override {
    return session::Proceed{};
  }
  event::Task<session::StatementDecision> rest_of_statement() override {
    co_return session::Proceed{};
  }
  bool has_on_connect() const noexcept override { return false; }
  bool has_on_command_phase() const noexcept override { return false; }
  bool has_on_disconnect() const noexcept override { return false; }
  bool has_on_query() const noexcept override { return false; }
  std::optional<session::LogList> on_log(const log::Record&) override { return std::nullopt; }
  bool has_on_init_db() const noexcept override { return false; }
  bool has_on_log() const noexcept override { return false; }
};

// A script in C++: what it answers is set by the test.
class FakeHooks final : public LoginHooks {
 public:
  using OnLogin = std::function<session::Decision(session::Login)>;
  explicit FakeHooks(OnLogin on_login) : on_login_(std::move(on_login)) {}

  event::Task<session::Decision> on_login(session::Login login, session::Challenger&) override {
    session::Decision decision = on_login_(std::move(login));
    co_return decision;
  }

  // Unset: there is no such callback. Without a value: the decision comes from rest.
  using Answer = std::optional<session::StatementDecision>;
  std::function<Answer(std::string_view, session::StatementKind)> statement;
  std::function<Answer(std::string_view)> database;
  std::function<event::Task<session::StatementDecision>()> rest;
  std::function<std::optional<session::LogList>(const log::Record&)> log;

  Answer on_query(std::string_view text, session::StatementKind kind) override {
    return statement(text, kind);
  }
  Answer on_init_db(std::string_view name) override { return database(name); }
  event::Task<session::StatementDecision> rest_of_statement() override { return rest(); }
  bool has_on_query() const noexcept override { return static_cast<bool>(statement); }
  std::optional<session::LogList> on_log(const log::Record& record) override { return log(record); }
  bool has_on_init_db() const noexcept override { return static_cast<bool>(database); }
  bool has_on_log() const noexcept override { return static_cast<bool>(log); }

 private:
  OnLogin on_login_;
};

}  // namespace perilune::test
