#pragma once

#include <memory>

#include "event/deadline.hh"
#include "event/task.hh"
#include "net/stream.hh"
#include "proto/mysql/channel.hh"
#include "proto/mysql/login.hh"
#include "session/pump.hh"
#include "session/session.hh"
#include "session/tap.hh"
#include "wire/mysql/exchange.hh"
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
  // After the pump has stopped: false when the session is over.
  event::Task<bool> go_on(session::PumpEnd end);

 private:
  session::Verdict from_client(Bytes data) override;
  session::Verdict from_server(Bytes data) override;

  void say_farewell(session::StopReason reason) override;
  void drain() override;

  event::Task<> answer_intercepted();
  event::Task<bool> is_received(Channel& channel);
  void count_statements(std::uint32_t more) noexcept;
  void broken();
  void server_is_gone();
  void say(const wire::mysql::Err& err);
  void say_at(std::uint8_t sequence, const wire::mysql::Err& err);
  bool is_quiet() const noexcept;
  void arm_idle_timer();
  void check_idle();

  session::Session& session_;
  net::Stream& client_;
  std::unique_ptr<net::Stream> server_;
  wire::mysql::Exchange exchange_;
  session::Pump pump_;
  std::unique_ptr<event::Deadline> idle_;  // of the listener's idle_timeout, if it has one
  std::uint64_t idle_seen_ = 0;            // bytes at the last look
  wire::mysql::Stop client_stop_ = wire::mysql::Stop::None;
  bool server_malformed_ = false;
  bool holding_ = false;  // an intercepted command waits for the answers before its own
};

}  // namespace perilune::proto::mysql
