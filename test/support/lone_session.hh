#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "event/loop.hh"
#include "event/task_group.hh"
#include "log/logger.hh"
#include "log/output.hh"
#include "session/session.hh"
#include "stats/metrics.hh"

namespace perilune::test {

// A session without a driver and a script, and what a worker lends it.
class LoneSession {
 public:
  explicit LoneSession(event::Loop& loop, session::ListenerOptions options = {})
      : background_(loop), services_{loop, background_, logger_, registry_.worker(0)} {
    auto listener = std::make_shared<session::Listener>();
    listener->open = std::make_shared<std::atomic<std::uint64_t>>(0);
    listener->declaration.protocol = session::Protocol::Tcp;
    listener->declaration.options = std::move(options);
    session_ = std::make_unique<session::Session>(
        services_, std::move(listener), 17, -1,
        net::SmallAddress{net::Address::ipv4({htonl(INADDR_LOOPBACK)}, 4711)});
  }

  session::Session& operator*() { return *session_; }
  session::Session* operator->() { return session_.get(); }
  stats::Cells& metrics() { return registry_.worker(0); }
  std::size_t left_behind() const { return background_.size(); }

 private:
  log::Output output_{-1, log::LineFormat::Timed, log::Level::Debug};
  log::Logger logger_{output_};
  stats::Registry registry_{1};
  event::TaskGroup background_;
  session::Services services_;
  std::unique_ptr<session::Session> session_;
};

}  // namespace perilune::test
