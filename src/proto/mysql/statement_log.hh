#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proto/mysql/own_answers.hh"
#include "proto/mysql/prepared_texts.hh"
#include "session/log_outlet.hh"
#include "session/session.hh"
#include "session/statement_course.hh"
#include "util/bytes.hh"
#include "util/clock.hh"
#include "util/reused_queue.hh"
#include "wire/mysql/exchange.hh"
#include "wire/mysql/reply.hh"

namespace perilune::proto::mysql {

// As much of a command's payload as a log needs.
struct CommandStart {
  Buffer bytes;
  std::uint64_t size = 0;  // of the whole payload
};

// A statement on its way: from its command's first byte to its answer's last one.
struct LoggedStatement {
  // Makes it a new one; keeps memory unless it is much.
  void clear() noexcept;
  std::size_t cost() const noexcept;

  const char* kind = nullptr;  // null: not logged
  wire::mysql::Command command = wire::mysql::Command::Sleep;
  bool backslash_escapes = true;
  std::uint16_t count = 0;  // of the parameters of what was prepared
  std::uint32_t id = 0;     // of that
  std::string payload;      // the beginning of the command
  std::uint64_t size = 0;   // of all of it
  PreparedTexts::Shared prepared;
  PreparedTexts::LongData long_data;
  bool cuts_long_data = false;
  session::StatementCourse course;
  std::optional<wire::mysql::Err> error;
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

  // Bytes of either side are here, of which the Exchange will tell now.
  void bytes_arrived() noexcept { now_ = Clock::now(); }
  // A command of the client was taken off its stream, and the server was sent another one.
  void replaced(const CommandStart& original, Bytes sent);
  // …or the proxy has answered it.
  void answered_here(const CommandStart& command, const OwnAnswers::Outcome& outcome);
  // Of the command at the front of a stream, before it is taken off. Those who want the client's
  // bytes get them.
  CommandStart start_of(Bytes input);

  void command_begins(wire::mysql::Command command) override;
  void command_bytes(Bytes piece) override;
  void command_ends() override;
  void answer_piece(Bytes piece) override;
  void answer_payload(Bytes head, Part part) override;
  void rows(std::size_t count) override;
  void answered() override;

 private:
  static constexpr std::size_t kMostHeld = 1 << 20;

  std::size_t worth_gathering(wire::mysql::Command command) const noexcept;
  void make(LoggedStatement& statement);
  void make_execution(LoggedStatement& statement);
  void note_silent(Bytes payload, std::uint64_t size);
  void take_head(LoggedStatement& statement, Bytes head) const;
  void end(LoggedStatement& statement, bool was_answered);
  void write(LoggedStatement& statement, bool was_answered);
  wire::mysql::BoundParameters parameters_of(LoggedStatement& statement);

  session::LogOutlet outlet_;
  PreparedTexts texts_;
  ReusedQueue<LoggedStatement> due_;
  std::size_t held_ = 0;
  Clock::time_point now_ = Clock::now();
  session::Gathering gathering_;  // of the command that arrives
  bool is_arriving_ = false;
  bool is_silent_ = false;  // it has no answer, and no place
  bool backslash_escapes_ = true;
  Buffer piece_;  // of an error that arrives
};

}  // namespace perilune::proto::mysql
