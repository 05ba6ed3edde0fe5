#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "proto/mysql/own_answers.hh"
#include "proto/mysql/prepared_texts.hh"
#include "session/log_outlet.hh"
#include "session/session.hh"
#include "util/bytes.hh"
#include "util/clock.hh"
#include "wire/mysql/exchange.hh"
#include "wire/mysql/reply.hh"

namespace perilune::proto::mysql {

// As much of a command's payload as a log needs.
struct CommandStart {
  Buffer bytes;
  std::uint64_t size = 0;  // of the whole payload
};

// Makes the records of one command phase: listens to its Exchange and is told what the proxy does
// by itself. There is one only where statements are logged.
class StatementLog final : public wire::mysql::ExchangeObserver {
 public:
  // `outstanding` answers belong to commands that nobody has logged.
  StatementLog(session::Session& session, std::size_t outstanding);
  StatementLog(const StatementLog&) = delete;
  StatementLog& operator=(const StatementLog&) = delete;
  ~StatementLog();  // what was never answered is logged, and says so

  session::LogOutlet& outlet() noexcept { return outlet_; }
  // The statements without answers take so much memory that the client should wait.
  bool is_full() const noexcept { return held_ > kMostHeld; }
  // As the server's status has it.
  void set_backslash_escapes(bool escapes) noexcept { backslash_escapes_ = escapes; }

  // A command of the client was taken off its stream, and the server was sent another one.
  void replaced(const CommandStart& original, Bytes sent);
  // …or the proxy has answered it.
  void answered_here(const CommandStart& command, const OwnAnswers::Outcome& outcome);
  // Of the command at the front of a stream, before it is taken off.
  CommandStart start_of(Bytes input) const;

  void command_begins(wire::mysql::Command command) override;
  void command_bytes(Bytes piece) override;
  void command_ends() override;
  void answer_piece(Bytes piece) override;
  void answer_payload(Bytes head, Part part) override;
  void rows(std::size_t count) override;
  void answered() override;

 private:
  static constexpr std::size_t kMostHeld = 1 << 20;

  struct Statement {
    const char* kind = nullptr;  // null: not logged
    wire::mysql::Command command = wire::mysql::Command::Sleep;
    std::string text;
    std::uint64_t size = 0;  // of the whole text
    std::string original;
    std::uint64_t original_size = 0;
    PreparedTexts::Shared prepared;
    wire::mysql::BoundParameters parameters;
    std::size_t cost = 0;
    bool backslash_escapes = true;
    WallTime time{};
    Clock::time_point sent{};
    std::optional<Clock::time_point> first;
    std::uint32_t id = 0;  // of what was prepared
    std::uint16_t count = 0;
    std::optional<std::uint64_t> rows;
    std::optional<std::uint64_t> affected;
    std::optional<wire::mysql::Err> error;
  };

  std::size_t worth_gathering(wire::mysql::Command command) const noexcept;
  Statement make(Bytes payload, std::uint64_t size);
  void make_text(Statement& statement, Bytes payload, std::uint64_t size);
  void make_execution(Statement& statement, Bytes payload, std::uint64_t size);
  void note_silent(Bytes payload);
  void push(Statement statement);
  void take_head(Statement& statement, Bytes head) const;
  void end(Statement& statement, bool was_answered);
  void write(const Statement& statement, bool was_answered);

  session::LogOutlet outlet_;
  PreparedTexts texts_;
  std::deque<Statement> due_;
  std::size_t held_ = 0;
  std::string gathered_;         // of the command that arrives
  std::uint64_t size_ = 0;       // of it so far
  std::size_t most_ = 0;         // to gather of it
  bool is_arriving_ = false;
  bool backslash_escapes_ = true;
  Buffer piece_;  // of an error that arrives
};

}  // namespace perilune::proto::mysql
