#pragma once

#include <cstddef>
#include <cstdint>

#include "util/bytes.hh"

namespace perilune::session {

// What happens to the bytes at the front of a buffer.
struct Verdict {
  enum class Then : std::uint8_t {
    Continue,  // what was not forwarded is incomplete: come again with more
    Stop,      // end the pump here; what was not forwarded stays where it is
    Wait,      // come again when the other direction has moved
    Hold,      // the same, and a client that ends meanwhile is gone
  };
  std::size_t forward = 0;
  Then then = Then::Continue;
};

// A protocol's eyes in the pump. Sees every byte once it is to be forwarded, in place; must not
// keep the view.
class Tap {
 public:
  virtual Verdict from_client(Bytes data) = 0;
  virtual Verdict from_server(Bytes data) = 0;

 protected:
  ~Tap() = default;
};

}  // namespace perilune::session
