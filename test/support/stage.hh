#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "event/latch.hh"
#include "log/output.hh"
#include "net/stream.hh"
#include "session/driver.hh"
#include "session/pump.hh"
#include "session/run.hh"
#include "support/fake_hooks.hh"
#include "support/socket_pair.hh"

namespace perilune::test {

// Begins with the command phase: the server is connected, and the login is over.
class StageDriver : public session::Driver {
 public:
  virtual void connect(std::unique_ptr<net::Stream> server) = 0;

  mutable std::string problem;  // why the session failed; empty: it did not

 protected:
  // Runs one as drivers do.
  template <typename Phase>
  event::Task<> run(Phase& phase) const {
    try {
      for (bool more = phase.may_run(); more;) {
        const session::PumpEnd end = co_await phase.pump().run();
        more = co_await phase.go_on(end);
        more = more && phase.may_run();
      }
    } catch (const std::exception& error) {
      problem = error.what();
      throw;
    }
  }
};

// One end of a connection, which is written and read without a loop, so that the test decides what
// comes in one piece.
class Peer {
 public:
  explicit Peer(UniqueFd socket) noexcept : socket_(std::move(socket)) {}

  // Returns how much the kernel took.
  std::size_t send(Bytes bytes) const;
  bool receive();  // false: nothing new
  void end_sending() const;
  void close() { socket_ = UniqueFd{}; }

  Buffer received;
  bool has_ended = false;  // the other end has closed

 private:
  UniqueFd socket_;
};

// The command phase of one session between two peers, on a loop that the test turns.
class AnyStage {
 public:
  struct Limits {
    std::uint64_t max_query = 64 << 20;
    std::shared_ptr<session::MemoryBudget> gathered;
  };

  AnyStage(std::unique_ptr<StageDriver> driver, const Limits& limits);

  // Until nothing moves any more.
  void turn();
  // Until all of it has been taken; throws when the proxy does not.
  void from_client(Bytes bytes) { deliver(client, bytes); }
  void from_server(Bytes bytes) { deliver(server, bytes); }
  void decide(session::StatementDecision decision);  // the callback that waits
  bool is_waiting() const noexcept { return gate_ != nullptr; }
  bool has_ended() const noexcept { return session == nullptr; }
  const std::string& problem() const noexcept { return driver_->problem; }

  session::Session* session = nullptr;  // null once it has ended
  FakeHooks* hooks = nullptr;           // the session's
  Peer client;
  Peer server;
  int cancelled = 0;  // callbacks, where they waited

 private:
  struct Gate {
    explicit Gate(event::Loop& loop) : open(loop) {}
    event::Latch open;
    session::StatementDecision decision;
  };

  AnyStage(std::unique_ptr<StageDriver> driver, const Limits& limits, SocketPair client_pair,
           SocketPair server_pair);
  void begin(const Limits& limits, UniqueFd to_client, UniqueFd to_server);
  event::Task<session::StatementDecision> wait_at_gate();
  void deliver(Peer& peer, Bytes bytes);

  event::Loop loop_;
  log::Output output_{-1, log::LineFormat::Timed, log::Level::Error};
  log::Logger logger_{output_};
  stats::Registry registry_{1};
  event::TaskGroup background_{loop_};
  session::Services services_{loop_, background_, logger_, registry_.worker(0)};
  session::SessionList sessions_{[this] { session = nullptr; }};
  std::unique_ptr<StageDriver> driver_;
  Gate* gate_ = nullptr;  // where a callback waits
  event::TaskGroup tasks_{loop_};
};

}  // namespace perilune::test
