#pragma once

#include <cstdint>
#include <memory>

#include "net/stream.hh"
#include "session/idle_watch.hh"
#include "session/mirror.hh"
#include "session/pump.hh"
#include "session/session.hh"
#include "session/tap.hh"

namespace perilune::proto::raw {

// The second half of a session: bytes both ways, and the ends and resets of either side.
class Forwarding final : private session::Tap, private session::Ending {
 public:
  // `mirror`: gets copies of what the client sends; null: nobody does.
  Forwarding(session::Session& session, net::Stream& client, net::Stream& server,
             session::Mirror* mirror);
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
  const char* waits_for() const noexcept override { return "either side"; }
  std::uint64_t delivered() const noexcept;

  session::Session& session_;
  net::Stream& client_;
  net::Stream& server_;
  session::Pump pump_;
  session::Mirror* mirror_;
  stats::NodeCells* node_;  // null: the server is of no cluster
  std::unique_ptr<session::IdleWatch> idle_;
};

}  // namespace perilune::proto::raw
