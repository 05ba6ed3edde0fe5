#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "event/task.hh"
#include "net/stream.hh"
#include "proto/mysql/channel.hh"
#include "proto/mysql/connection.hh"
#include "proto/mysql/kill.hh"
#include "proto/mysql/own_answers.hh"
#include "proto/mysql/statement_log.hh"
#include "session/idle_watch.hh"
#include "session/log_slot.hh"
#include "session/pump.hh"
#include "session/session.hh"
#include "session/statement_times.hh"
#include "session/tap.hh"
#include "wire/mysql/exchange.hh"
#include "wire/mysql/framing.hh"
#include "wire/mysql/reply.hh"

namespace perilune::proto::mysql {

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
  // What the session goes on with behind it; null: nothing.
  std::unique_ptr<Connection> take_next() noexcept { return std::move(next_); }

 private:
  // A command at the front of the client's stream that does not pass as it is.
  struct Held {
    enum class What : std::uint8_t {
      Undecided,     // the script's callback waits
      Decided,       // by the script, or for being too long
      OwnStatement,  // belongs to a prepared statement of the proxy's
      Kill,          // by one of our ids
      ChangeUser,
    };
    What what = What::Decided;
    wire::mysql::Extent extent;
    session::StatementDecision decision;
    std::optional<KillRequest> kill;
  };

  // --- the tap (command_tap.cc)
  enum class Look : std::uint8_t { Passes, IsIncomplete, IsHeld };

  session::Verdict from_client(Bytes data) override;
  session::Verdict from_server(Bytes data) override;
  session::Verdict verdict_on_client(const wire::mysql::Progress& progress);
  Look look(Bytes ahead);
  Look look_at_statement(Bytes ahead);
  Look look_into(Bytes ahead);
  Look pass(std::size_t bytes) noexcept;
  Look hold(Held::What what, const wire::mysql::Extent& extent,
            session::StatementDecision decision = {});
  bool gather(std::uint64_t size);
  void note_statement(Bytes data);
  void note(Bytes payload);
  void note_database();
  void mind_log();
  void mind_escapes() noexcept;
  CommandStart start_for_log() const;
  void log_own_answer(const CommandStart& command);
  bool is_changing() const noexcept;
  bool is_answered() const noexcept;

  // --- between two runs of the pump (held_command.cc)
  event::Task<bool> hear_script();
  event::Task<session::PumpEnd> pump_meanwhile();
  void mind_kill();
  void mind_length();
  bool must_wait() const noexcept;
  event::Task<> settle();
  void let_pass(const Held& held);
  event::Task<> replace(const Held& held);
  void forward(Bytes payload, std::uint32_t packets);
  event::Task<> answer(const Held& held);
  event::Task<> answer_own_statement();
  event::Task<> kill(const Held& held);
  event::Task<> change_user();
  event::Task<OwnAnswers::Turn> take_off();
  OwnAnswers& own();

  void say_farewell(session::StopReason reason) override;
  void drain() override;
  const char* waits_for() const noexcept override;

  bool is_over(session::PumpEnd end);
  void count_statements(std::uint32_t more) noexcept;
  void broken();
  void server_is_gone();
  void say(const wire::mysql::Err& err);
  void say_at(std::uint8_t sequence, const wire::mysql::Err& err);
  bool is_quiet() const noexcept;

  session::Session& session_;
  net::Stream& client_;
  Connection connection_;
  std::unique_ptr<Connection> next_;  // after a change of user
  wire::mysql::Exchange exchange_;
  session::Pump pump_;
  const wire::mysql::CommandSet* looked_at_;
  stats::NodeCells* node_;  // null: the server is of no cluster
  session::StatementTimes times_;
  std::size_t pass_ = 0;  // bytes at the client's front that were looked at and may pass
  std::unique_ptr<Held> held_;
  std::unique_ptr<OwnAnswers> own_;  // from the first one
  session::LogSlot<StatementLog> log_;
  std::unique_ptr<session::MemoryBudget::Share> gathered_;
  std::unique_ptr<std::string> changing_to_;  // the database, until the server has answered
  std::unique_ptr<session::IdleWatch> idle_;  // null: the listener has no idle_timeout
  wire::mysql::Stop client_stop_ = wire::mysql::Stop::None;
  bool server_malformed_ = false;
  bool awaiting_ = false;  // the answers before that to the held command
  bool refused_ = false;   // a change of user, since when nothing else was asked for
};

}  // namespace perilune::proto::mysql
