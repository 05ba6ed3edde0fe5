#pragma once

#include <cstdint>
#include <memory>

#include "event/deadline.hh"
#include "net/stream.hh"
#include "session/pump.hh"
#include "session/session.hh"
#include "session/tap.hh"

namespace perilune::proto::raw {

// The second half of a session: bytes both ways, and the ends and resets of either side.
class Forwarding final : private session::Tap, private session::Ending {
 public:
  Forwarding(session::Session& session, net::Stream& client, net::Stream& server);
  Forwarding(const Forwarding&) = delete;
  Forwarding& operator=(const Forwarding&) = delete;
  ~Forwarding();

  session::Pump& pump() noexcept { return pump_; }
  // After the pump: a side that broke off takes the other one along. Throws for a broken one.
  void pass_on(session::PumpEnd end);

 private:
  session::Verdict from_client(Bytes data) override;
  session::Verdict from_server(Bytes data) override;
  void say_farewell(session::StopReason reason) override;
  void arm_idle_timer();
  void check_idle();

  session::Session& session_;
  net::Stream& client_;
  net::Stream& server_;
  session::Pump pump_;
  std::unique_ptr<event::Deadline> idle_;  // of the listener's idle_timeout, if it has one
  std::uint64_t idle_seen_ = 0;            // bytes delivered at the last look
};

}  // namespace perilune::proto::raw
