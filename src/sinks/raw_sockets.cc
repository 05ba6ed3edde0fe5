// The bytes of each session go over a connection of its own.

#include <sys/socket.h>

#include <cerrno>
#include <map>
#include <string>

#include "sinks/connection.hh"
#include "sinks/sinks.hh"
#include "sinks/socket.hh"

namespace perilune::sinks {

namespace {

using log::Ring;

class RawSockets final : public log::Sink {
 public:
  RawSockets(net::Address address, std::uint64_t buffer) : address_(address), buffer_(buffer) {}

  Outcome write(std::span<const Ring::Item> items) override;
  void wait_for(std::vector<pollfd>& polled) const override;
  bool flush() override;

 private:
  struct Session {
    explicit Session(net::Address address) : connection(address, SOCK_STREAM) {}
    Connection connection;
    std::string queue;
    bool has_ended = false;
    bool is_lost = false;  // the rest of it is worth nothing
  };

  Session& session_of(std::uint32_t id);
  bool take(const Ring::Item& item, Outcome& outcome);
  int send(Session& session);

  net::Address address_;
  std::uint64_t buffer_;
  std::uint64_t queued_ = 0;
  std::map<std::uint32_t, Session> sessions_;
};

RawSockets::Session& RawSockets::session_of(std::uint32_t id) {
  return sessions_.try_emplace(id, address_).first->second;
}

// What the slowest readers have not taken counts against the bound of all.
log::Sink::Outcome RawSockets::write(std::span<const Ring::Item> items) {
  Outcome outcome;
  for (const Ring::Item& item : items) {
    if (queued_ + item.bytes.size() > buffer_ && queued_ > 0) return outcome;
    if (!take(item, outcome)) ++outcome.lost;
    ++outcome.done;
  }
  return outcome;
}

bool RawSockets::take(const Ring::Item& item, Outcome& outcome) {
  Session& session = session_of(item.session);
  session.has_ended = item.kind == Ring::Kind::EndOfSession;
  if (!session.is_lost) {
    session.queue.append(item.bytes);
    queued_ += item.bytes.size();
    const int error = send(session);
    if (error != 0) outcome.error = error;
  }
  const bool taken = !session.is_lost;
  if (taken) outcome.bytes += item.bytes.size();
  if (session.has_ended && session.queue.empty()) sessions_.erase(item.session);
  return taken;
}

// An error loses the session; the others go on.
int RawSockets::send(Session& session) {
  Connection::State state = session.connection.advance();
  int error = state == Connection::State::Failed ? session.connection.error() : 0;
  while (state == Connection::State::Open && error == 0 && !session.queue.empty()) {
    const ssize_t sent = session.connection.send(session.queue);
    if (sent < 0 && errno == EAGAIN) return 0;
    if (sent < 0) {
      error = errno;
      break;
    }
    session.queue.erase(0, static_cast<std::size_t>(sent));
    queued_ -= static_cast<std::uint64_t>(sent);
  }
  if (error == 0) return 0;
  queued_ -= session.queue.size();
  session.queue.clear();
  session.is_lost = true;
  session.connection.close();
  return error;
}

bool RawSockets::flush() {
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    Session& session = it->second;
    if (!session.is_lost) send(session);
    const bool is_over = session.has_ended && session.queue.empty();
    it = is_over ? sessions_.erase(it) : std::next(it);
  }
  return queued_ == 0;
}

void RawSockets::wait_for(std::vector<pollfd>& polled) const {
  for (const auto& [id, session] : sessions_) {
    if (!session.queue.empty()) polled.push_back({session.connection.fd(), POLLOUT, 0});
  }
}

}  // namespace

std::unique_ptr<log::Sink> make_raw_sockets(const log::QueryLogOptions& options) {
  return std::make_unique<RawSockets>(address_of("log_socket", options.target, std::nullopt),
                                      options.buffer);
}

}  // namespace perilune::sinks
