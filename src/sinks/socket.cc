#include "sinks/socket.hh"

#include <sys/socket.h>

#include <cerrno>

#include "sinks/memory_file.hh"
#include "sinks/sinks.hh"
#include "util/error.hh"

namespace perilune::sinks {

namespace {

std::string prefix_of(const log::Ring::Item& item) {
  return std::to_string(item.bytes.size()) + ' ';
}

}  // namespace

log::Sink::Outcome Socket::write(std::span<const log::Ring::Item> items) {
  Outcome outcome;
  if (connection_.is_open() && !connection_.has_peer()) failed(EPIPE, outcome);
  outcome.error = 0;  // a peer that has left is looked for at once
  const Connection::State state = connection_.advance();
  if (state == Connection::State::Failed) outcome.error = connection_.error();
  if (state != Connection::State::Open) return outcome;
  connection_.is_stream() ? write_stream(items, outcome) : write_datagrams(items, outcome);
  return outcome;
}

void Socket::wait_for(std::vector<pollfd>& polled) const {
  if (connection_.fd() >= 0) polled.push_back({connection_.fd(), POLLOUT, 0});
}

void Socket::failed(int error, Outcome& outcome) noexcept {
  connection_.close();
  begun_ = 0;
  outcome.error = error;
}

// --- streams

std::size_t Socket::framed_size(const log::Ring::Item& item) const {
  const std::size_t prefix = framing_ == Framing::Counted ? prefix_of(item).size() : 0;
  return prefix + item.bytes.size();
}

void Socket::pack(std::span<const log::Ring::Item> items) {
  packed_.clear();
  for (const auto& item : items) {
    if (framing_ == Framing::Counted) packed_.append(prefix_of(item));
    packed_.append(item.bytes);
  }
}

void Socket::write_stream(std::span<const log::Ring::Item> items, Outcome& outcome) {
  pack(items);
  std::string_view rest = std::string_view(packed_).substr(begun_);
  while (!rest.empty()) {
    const ssize_t sent = connection_.send(rest);
    if (sent < 0) {
      if (errno != EAGAIN) failed(errno, outcome);
      return;
    }
    rest.remove_prefix(static_cast<std::size_t>(sent));
    count(items, static_cast<std::size_t>(sent), outcome);
  }
}

void Socket::count(std::span<const log::Ring::Item> items, std::size_t sent, Outcome& outcome) {
  outcome.bytes += sent;
  begun_ += sent;
  while (outcome.done < items.size() && begun_ >= framed_size(items[outcome.done])) {
    begun_ -= framed_size(items[outcome.done]);
    ++outcome.done;
  }
}

// --- datagrams

void Socket::write_datagrams(std::span<const log::Ring::Item> items, Outcome& outcome) {
  for (const auto& item : items) {
    int error = connection_.send(item.bytes) < 0 ? errno : 0;
    const bool too_large = error == EMSGSIZE || error == ENOBUFS;
    if (too_large && framing_ == Framing::Journal)
      error = send_as_file(connection_.fd(), item.bytes);
    if (error == EAGAIN) return;
    if (error != 0 && error != EMSGSIZE) return failed(error, outcome);
    ++outcome.done;
    if (error == 0) outcome.bytes += item.bytes.size();
    if (error != 0) ++outcome.lost;  // no datagram holds it
  }
}

net::Address address_of(const std::string& function, const std::string& target,
                        std::optional<std::uint16_t> default_port) {
  const auto address = net::parse_address(target, default_port);
  if (!address) throw ConfigError(function + ": " + address.error().message);
  return *address;
}

int socket_type(const log::QueryLogOptions& options) noexcept {
  return options.type == log::QueryLogOptions::Type::Datagram ? SOCK_DGRAM : SOCK_STREAM;
}

std::unique_ptr<log::Sink> make_socket(const log::QueryLogOptions& options) {
  return std::make_unique<Socket>(address_of("log_socket", options.target, std::nullopt),
                                  socket_type(options), Socket::Framing::None);
}

}  // namespace perilune::sinks
