#pragma once

#include <poll.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "log/ring.hh"

namespace perilune::log {

// Where the items of one log go. Used by the writer's thread alone, which never waits inside.
class Sink {
 public:
  struct Outcome {
    std::size_t done = 0;     // items from the front that are dealt with: written or lost
    std::size_t lost = 0;     // of these
    std::uint64_t bytes = 0;  // written
    int error = 0;            // why it stopped; 0: all is done, or the destination is only busy
  };

  virtual ~Sink() = default;

  virtual Outcome write(std::span<const Ring::Item> items) = 0;
  // What comes under this number from now on is another session's.
  virtual void end_session(std::uint32_t /*session*/) {}
  // What to wait for while the destination is busy, or there is something of its own to send.
  virtual void wait_for(std::vector<pollfd>& polled) const = 0;
  // Sends what the sink still holds; true: there is no more.
  virtual bool flush() { return true; }
  // The destination may have moved. Returns an error; the old one stays in use then.
  virtual int reopen() { return 0; }
};

}  // namespace perilune::log
