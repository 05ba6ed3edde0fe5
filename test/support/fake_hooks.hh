#pragma once

#include <functional>
#include <utility>

#include "event/task.hh"
#include "session/hooks.hh"

namespace perilune::test {

// A script in C++: what it answers is set by the test.
class FakeHooks final : public session::Hooks {
 public:
  using OnLogin = std::function<session::Decision(session::Login)>;
  explicit FakeHooks(OnLogin on_login) : on_login_(std::move(on_login)) {}

  event::Task<session::Decision> on_connect() override { co_return session::Proceed{}; }
  event::Task<session::Decision> on_login(session::Login login, session::Challenger&) override {
    session::Decision decision = on_login_(std::move(login));
    co_return decision;
  }
  event::Task<session::Decision> on_command_phase() override { co_return session::Proceed{}; }
  event::Task<> on_disconnect() override { co_return; }
  bool has_on_connect() const noexcept override { return false; }
  bool has_on_command_phase() const noexcept override { return false; }
  bool has_on_disconnect() const noexcept override { return false; }

 private:
  OnLogin on_login_;
};

}  // namespace perilune::test
