#pragma once

#include <cstdint>
#include <optional>

#include "net/address.hh"
#include "net/tls_context.hh"
#include "session/decision.hh"
#include "util/bytes.hh"
#include "util/clock.hh"

namespace perilune::session {

// Where and how a session's statements are cancelled from another connection: memory of its own,
// for any thread.
struct CancelTarget {
  net::Address server;
  std::uint32_t process_id = 0;  // the server's
  Buffer key;                    // likewise
  net::TlsWish tls;
  SendProxy send_proxy = SendProxy::No;
  Millis connect_timeout{5000};
};

// What a session's client was told to name when it wants to cancel, and what that stands for.
struct CancelKeys {
  Buffer own;
  std::optional<CancelTarget> target;  // none: there is no server
};

}  // namespace perilune::session
