// The bytes of each session go over a connection of its own.

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <list>
#include <map>
#include <string>

#include "sinks/connection.hh"
#include "sinks/sinks.hh"
#include "sinks/socket.hh"
#include "util/clock.hh"

namespace perilune::sinks {

namespace {

using log::Ring;

// After a connection could not be made, for all sessions.
constexpr Millis kPause{1000};

class RawSockets final : public log::Sink {
 public:
  RawSockets(net::Address address, std::uint64_t buffer) : address_(address), buffer_(buffer) {}

  Outcome write(std::span<const Ring::Item> items) override;
  void end_session(std::uint32_t id) override;
  void wait_for(std::vector<pollfd>& polled) const override;
  bool flush() override;

 private:
  struct Session {
    explicit Session(net::Address address) : connection(address, SOCK_STREAM) {}
    Connection connection;
    std::string queue;
    bool has_begun = false;  // something of it was sent
    bool is_lost = false;    // the rest of it is worth nothing
  };

  bool take(Session& session, std::string_view bytes, Outcome& outcome);
  int send(Session& session);
  int lose(Session& session, int error);

  net::Address address_;
  std::uint64_t buffer_;
  std::uint64_t queued_ = 0;
  std::map<std::uint32_t, Session> sessions_;
  std::list<Session> ended_;  // with something left to send
  Clock::time_point pause_until_{};
};

// What the slowest readers have not taken counts against the bound of all.
log::Sink::Outcome RawSockets::write(std::span<const Ring::Item> items) {
  Outcome outcome;
  for (const Ring::Item& item : items) {
    if (queued_ + item.bytes.size() > buffer_ && queued_ > 0) return outcome;
    Session& session = sessions_.try_emplace(item.session, address_).first->second;
    if (!take(session, item.bytes, outcome)) ++outcome.lost;
    ++outcome.done;
  }
  return outcome;
}

bool RawSockets::take(Session& session, std::string_view bytes, Outcome& outcome) {
  if (session.is_lost) return false;
  session.queue.append(bytes);
  queued_ += bytes.size();
  const int error = send(session);
  if (error != 0) outcome.error = error;
  if (!session.is_lost) outcome.bytes += bytes.size();
  return !session.is_lost;
}

void RawSockets::end_session(std::uint32_t id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  if (!found->second.queue.empty()) ended_.push_back(std::move(found->second));
  sessions_.erase(found);
}

// A connection that was never made is tried again; one that broke off loses its session.
int RawSockets::send(Session& session) {
  if (session.connection.fd() < 0 && Clock::now() < pause_until_) return 0;
  const Connection::State state = session.connection.advance();
  if (state == Connection::State::Connecting) return 0;
  if (state == Connection::State::Failed) {
    pause_until_ = Clock::now() + kPause;
    return session.connection.error();
  }
  while (!session.queue.empty()) {
    const ssize_t sent = session.connection.send(session.queue);
    if (sent < 0) return errno == EAGAIN ? 0 : lose(session, errno);
    session.has_begun = true;
    session.queue.erase(0, static_cast<std::size_t>(sent));
    queued_ -= static_cast<std::uint64_t>(sent);
  }
  return 0;
}

int RawSockets::lose(Session& session, int error) {
  session.connection.close();
  if (!session.has_begun) return error;
  queued_ -= session.queue.size();
  session.queue.clear();
  session.is_lost = true;
  return error;
}

bool RawSockets::flush() {
  for (auto& [id, session] : sessions_) {
    if (!session.queue.empty()) send(session);
  }
  std::erase_if(ended_, [this](Session& session) {
    send(session);
    return session.queue.empty();
  });
  return queued_ == 0;
}

void RawSockets::wait_for(std::vector<pollfd>& polled) const {
  const auto add = [&polled](const Session& session) {
    if (!session.queue.empty()) polled.push_back({session.connection.fd(), POLLOUT, 0});
  };
  for (const auto& [id, session] : sessions_) add(session);
  std::ranges::for_each(ended_, add);
}

}  // namespace

std::unique_ptr<log::Sink> make_raw_sockets(const log::QueryLogOptions& options) {
  return std::make_unique<RawSockets>(address_of("log_socket", options.target, std::nullopt),
                                      options.buffer);
}

}  // namespace perilune::sinks
