#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "event/loop.hh"
#include "event/task.hh"
#include "net/connect.hh"
#include "net/stream.hh"
#include "util/bytes.hh"

namespace perilune::proto::mysql {

// A place among the listener's max_connections, held for a server connection that outlives its
// session: clients that come and go cannot pile up more of them than sessions may be open.
class HeldPlace {
 public:
  HeldPlace() noexcept = default;  // none: no client is behind it
  explicit HeldPlace(std::shared_ptr<std::atomic<std::uint64_t>> open) noexcept
      : open_(std::move(open)) {
    open_->fetch_add(1, std::memory_order_relaxed);
  }
  HeldPlace(HeldPlace&& other) noexcept = default;
  HeldPlace& operator=(HeldPlace&&) = delete;
  ~HeldPlace() {
    if (open_) open_->fetch_sub(1, std::memory_order_relaxed);
  }

 private:
  std::shared_ptr<std::atomic<std::uint64_t>> open_;
};

// The server's packet that ends a login: OK or an error.
bool is_verdict(Bytes payload) noexcept;

// What answers a server's packet if one does not want to be let in; null: it waits for nothing.
// Empty packets, which stand for none, are answered by nothing.
std::optional<Buffer> unwilling_answer(Bytes asked);

// Where a login at a server was left.
struct LoginPoint {
  std::uint8_t sequence = 0;  // of the next packet; 0: the greeting was not read yet
  bool has_begun = false;     // the greeting was answered
  Buffer asked;               // the server's last packet, unless it was answered
};

// Ends a login at a server that nobody wants any more, in good order: answers the greeting by a
// login that will be refused, and all that the server asks then, until it says no or yes: a
// handshake that breaks off is counted against this host. Bounded in time; never throws.
// `first`: the bytes that the connection begins with.
event::Task<> break_off(event::Loop& loop, net::Connecting connecting, Buffer first,
                        HeldPlace place);
event::Task<> break_off(event::Loop& loop, std::unique_ptr<net::Stream> stream, LoginPoint point,
                        HeldPlace place);

}  // namespace perilune::proto::mysql
