#pragma once

#include <cstdint>
#include <memory>

#include "event/deadline.hh"
#include "event/task.hh"
#include "net/stream.hh"
#include "proto/postgres/channel.hh"
#include "proto/postgres/own_answers.hh"
#include "proto/postgres/statement_log.hh"
#include "session/log_slot.hh"
#include "session/session.hh"
#include "wire/postgres/framing.hh"
#include "wire/postgres/protocol.hh"

namespace perilune::proto::postgres {

// The second half of a session without a server: the script answers its statements, and the proxy
// what is a matter of the session alone.
class ServedPhase final : private session::Ending {
 public:
  ServedPhase(session::Session& session, net::Stream& client);
  ServedPhase(const ServedPhase&) = delete;
  ServedPhase& operator=(const ServedPhase&) = delete;
  ~ServedPhase();

  // Until the client leaves or the session drains.
  event::Task<> run();

 private:
  enum class Arrival : std::uint8_t { Message, TooLong, NoMemory, End };

  event::Task<Arrival> receive();
  std::size_t largest_message() const noexcept;
  void take(const wire::postgres::Message& message);
  void count_bytes(std::size_t bytes) noexcept;
  void count_statement() noexcept;
  event::Task<bool> skip();
  event::Task<> handle(Arrival arrival);
  event::Task<> handle_message();
  event::Task<> answer_message(wire::postgres::FrontendTag tag);
  event::Task<> handle_query(Bytes body);
  event::Task<> handle_parse(Bytes body);
  event::Task<session::StatementDecision> ask(wire::postgres::FrontendTag tag, Bytes body);
  session::StatementDecision answer_of_our_own(wire::postgres::FrontendTag tag, Bytes body) const;
  void handle_named(wire::postgres::FrontendTag tag, Bytes body);
  void refuse_unseen(wire::postgres::FrontendTag tag, const Fault& fault);
  void end_answer(wire::postgres::FrontendTag tag, bool good);
  void follow_transaction();
  void count(const session::StatementDecision& decision);
  void log_message();
  [[noreturn]] void broken(const char* what);

  void say_farewell(session::StopReason reason) override;
  void drain() override;
  void arm_idle_timer();

  session::Session& session_;
  net::Stream& client_;
  Received message_;
  OwnAnswers answers_;
  session::LogSlot<StatementLog> log_;
  std::unique_ptr<event::Deadline> idle_;  // of the listener's idle_timeout, if it has one
  wire::postgres::TransactionStatus status_ = wire::postgres::TransactionStatus::Idle;
  bool skips_ = false;  // up to Sync, after an error
  bool waits_for_message_ = false;
  bool over_ = false;
};

}  // namespace perilune::proto::postgres
