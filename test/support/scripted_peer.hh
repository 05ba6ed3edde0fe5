#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "event/loop.hh"
#include "event/task.hh"
#include "net/stream.hh"
#include "util/fd.hh"

namespace perilune::test {

// The other end of a connection, told by the test what to say and what to expect.
class ScriptedPeer {
 public:
  ScriptedPeer(event::Loop& loop, UniqueFd socket) : stream_(loop, std::move(socket)) {}

  void send(std::string_view text) { stream_.write(as_bytes(text)); }
  void end() { stream_.shut_down(); }
  net::Stream& stream() { return stream_; }

  // Exactly so many bytes; fewer if the connection ends before.
  event::Task<std::string> receive(std::size_t size) {
    while (stream_.input().size() < size) {
      const bool grown = co_await stream_.fill();
      if (!grown) break;
    }
    std::string text{as_text(stream_.input()).substr(0, size)};
    stream_.consume(text.size());
    co_return text;
  }

  // All until the end.
  event::Task<std::string> receive_all() {
    for (;;) {
      const bool grown = co_await stream_.fill();
      if (!grown) break;
    }
    std::string text{as_text(stream_.input())};
    stream_.consume(text.size());
    co_return text;
  }

 private:
  net::Stream stream_;
};

}  // namespace perilune::test
