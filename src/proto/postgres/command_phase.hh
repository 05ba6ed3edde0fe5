#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "event/task.hh"
#include "net/stream.hh"
#include "proto/postgres/connection.hh"
#include "proto/postgres/errors.hh"
#include "proto/postgres/own_answers.hh"
#include "proto/postgres/statement_log.hh"
#include "session/idle_watch.hh"
#include "session/log_slot.hh"
#include "session/memory_budget.hh"
#include "session/pump.hh"
#include "session/session.hh"
#include "session/statement_times.hh"
#include "session/tap.hh"
#include "util/clock.hh"
#include "wire/postgres/exchange.hh"
#include "wire/postgres/framing.hh"

namespace perilune::proto::postgres {

// The second half of a session: the pump, stopped only by what must not pass untouched.
class CommandPhase final : private session::Tap, private session::Ending {
 public:
  CommandPhase(session::Session& session, net::Stream& client, Connection connection);
  CommandPhase(const CommandPhase&) = delete;
  CommandPhase& operator=(const CommandPhase&) = delete;
  ~CommandPhase();

  session::Pump& pump() noexcept { return pump_; }
  // Whether there is anything to pump: false, and the client has been told, when the session drains
  // and this is the moment for it.
  bool may_run();
  // After the pump has stopped: false when this is over.
  event::Task<bool> go_on(session::PumpEnd end);

 private:
  // A message at the front of the client's stream that does not pass as it is.
  struct Held {
    enum class What : std::uint8_t {
      Undecided,  // the script's callback waits
      Decided,    // by the script, or for being too long
      Own,        // names a statement or a portal of the proxy's
    };
    What what = What::Decided;
    wire::postgres::FrontendTag tag{};
    std::size_t size = 0;   // with its header
    bool complete = false;  // it is here as a whole
    session::StatementDecision decision;
  };

  // --- the tap (command_tap.cc)
  enum class Look : std::uint8_t { Passes, IsIncomplete, IsHeld };

  session::Verdict from_client(Bytes data) override;
  session::Verdict from_server(Bytes data) override;
  session::Verdict drop(Bytes data);
  session::Verdict verdict_on_client(const wire::postgres::Progress& progress);
  Look look(Bytes ahead);
  Look look_at_statement(const wire::postgres::Message& message);
  Look look_at_named(const wire::postgres::Message& message);
  Look hold(Held::What what, const wire::postgres::Message& message,
            session::StatementDecision decision = {});
  Look refuse(const wire::postgres::Message& message, Fault fault);
  bool gather(std::uint64_t size);
  void note(wire::postgres::FrontendTag tag, Bytes body);
  void note_statement(Bytes data);
  void mind_log();
  MessageStart start_for_log() const;
  void log_own_answer(const MessageStart& message);
  bool waits_for_answers() const noexcept;
  bool is_answered() const noexcept;

  // --- between two runs of the pump (held_message.cc)
  event::Task<bool> hear_script();
  event::Task<session::PumpEnd> pump_meanwhile();
  void mind_text();
  bool must_wait() const noexcept;
  void prepare_to_wait();
  event::Task<> settle();
  event::Task<> replace(const Held& held);
  event::Task<> answer(const Held& held);
  event::Task<> answer_statement(wire::postgres::FrontendTag tag, Bytes body,
                                 const session::StatementDecision& decision);
  void answer_at_once(Bytes body, const session::StatementDecision& decision);
  event::Task<> refuse_in_series(wire::postgres::FrontendTag tag, const Fault& fault);
  event::Task<> receive_refusal();
  void pass_on(Bytes bytes);
  void take_dropped() noexcept;
  void count_taken(std::size_t bytes) noexcept;
  event::Task<> take_off(std::size_t size);
  Bytes held_body() const noexcept;
  void forward(Bytes messages, wire::postgres::FrontendTag tag);
  void send_flush();
  OwnAnswers& own();

  void say_farewell(session::StopReason reason) override;
  void drain() override;
  const char* waits_for() const noexcept override;

  bool is_over(session::PumpEnd end);
  void count_statements(std::uint32_t more) noexcept;
  void count_forwarded(std::uint32_t more) noexcept;
  void broken();
  void server_is_gone();
  void say(const Fault& fault);
  bool is_quiet() const noexcept;

  session::Session& session_;
  net::Stream& client_;
  Connection connection_;
  wire::postgres::Exchange exchange_;
  session::Pump pump_;
  const wire::postgres::MessageSet* looked_at_;
  stats::NodeCells* node_;  // null: the server is of no cluster
  session::StatementTimes times_;
  std::unique_ptr<Held> held_;
  std::unique_ptr<OwnAnswers> own_;  // from the first one
  session::LogSlot<StatementLog> log_;
  std::unique_ptr<session::MemoryBudget::Share> gathered_;
  std::unique_ptr<session::IdleWatch> idle_;  // null: the listener has no idle_timeout
  std::size_t dropped_ = 0;                   // bytes at the client's front that nobody answers
  wire::postgres::Stop client_stop_ = wire::postgres::Stop::None;
  bool passes_ = false;  // the message at the client's front was looked at
  bool drops_ = false;   // the client's messages up to Sync, after an error of ours
  bool server_malformed_ = false;
  bool awaiting_ = false;  // the answers before that to the held message
};

}  // namespace perilune::proto::postgres
