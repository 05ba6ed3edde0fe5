#pragma once

#include <cstdint>
#include <memory>

#include "event/deadline.hh"
#include "event/task.hh"
#include "net/stream.hh"
#include "proto/mysql/connection.hh"
#include "proto/mysql/kill.hh"
#include "proto/mysql/own_answers.hh"
#include "proto/mysql/statement_log.hh"
#include "session/log_slot.hh"
#include "session/session.hh"
#include "wire/mysql/protocol.hh"

namespace perilune::proto::mysql {

// The second half of a session without a server: the script answers its statements, and the proxy
// what is a matter of the session alone.
class ServedPhase final : private session::Ending {
 public:
  ServedPhase(session::Session& session, net::Stream& client, Connection connection);
  ServedPhase(const ServedPhase&) = delete;
  ServedPhase& operator=(const ServedPhase&) = delete;
  ~ServedPhase();

  // Until the client leaves or changes its user, or the session drains.
  event::Task<> run();
  // What the session goes on with behind it; null: nothing.
  std::unique_ptr<Connection> take_next() noexcept { return std::move(next_); }

 private:
  enum class Arrival : std::uint8_t { Command, TooLong, NoMemory, End };

  event::Task<Arrival> receive();
  event::Task<> handle(Arrival arrival);
  event::Task<> handle_command();
  event::Task<> change_user();
  event::Task<session::StatementDecision> ask(const Buffer& command);
  event::Task<> kill(KillRequest request);
  void answer(const Buffer& command, const session::StatementDecision& decision);
  void answer_statement(const Buffer& command);
  void answer_by_ourselves(const Buffer& command);
  void refuse_unseen(Arrival arrival);
  CommandStart start_for_log() const;

  void say_farewell(session::StopReason reason) override;
  void drain() override;
  void arm_idle_timer();
  OwnAnswers::Turn turn() const noexcept;

  session::Session& session_;
  net::Stream& client_;
  Connection connection_;
  std::unique_ptr<Connection> next_;  // after a change of user
  OwnAnswers answers_;
  session::LogSlot<StatementLog> log_;
  std::unique_ptr<event::Deadline> idle_;  // of the listener's idle_timeout, if it has one
  std::uint8_t sequence_ = 0;              // of the answer that is due
  bool waits_for_command_ = false;
  bool over_ = false;
};

}  // namespace perilune::proto::mysql
