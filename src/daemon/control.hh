#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/directory.hh"
#include "daemon/peer_throttle.hh"
#include "event/loop.hh"
#include "event/mailbox.hh"
#include "log/logger.hh"
#include "net/datagram.hh"
#include "session/declaration.hh"
#include "util/bytes.hh"

namespace perilune::daemon {

// Receives control datagrams and does what they say, on the control thread. Its sockets live
// through reloads like those of Listeners.
class Control {
 public:
  // All of it outlives the control, and the workers their mailboxes.
  Control(event::Loop& loop, event::Mailbox& home, const Branches& branches,
          const log::Logger& logger);
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;
  ~Control();

  struct Receiver;
  using Prepared = std::vector<std::shared_ptr<Receiver>>;

  // Opens what is not open yet; throws ConfigError and leaves everything as it was.
  Prepared prepare(const std::vector<session::ControlDeclaration>& wanted);
  void commit(const std::vector<session::ControlDeclaration>& wanted, Prepared prepared);
  // The files of unix sockets go at once.
  void close() noexcept;

  // What the commands do.
  void disconnect_database(std::string_view account);

 private:
  struct Closing;

  void receive(Receiver& receiver);
  void handle(const session::ControlDeclaration& declaration, const net::Datagram& datagram);
  void run_commands(const net::Datagram& datagram);
  void report(const net::Datagram& datagram, std::string_view why);
  void add(Closing& closing, std::size_t count);

  event::Loop& loop_;
  event::Mailbox& home_;
  const Branches& branches_;
  const log::Logger& logger_;
  PeerThrottle throttle_{Millis{60000}};
  Buffer buffer_;
  Prepared open_;
};

}  // namespace perilune::daemon
