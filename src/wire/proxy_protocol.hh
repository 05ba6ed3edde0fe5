#pragma once

// The PROXY protocol, versions 1 and 2 (HAProxy's doc/proxy-protocol.txt): what a proxy says about
// the connection that it relays, before anything else. No database's protocol: both ends of a
// session may use it.

#include <cstddef>
#include <cstdint>

#include "util/bytes.hh"
#include "util/result.hh"

namespace perilune::wire {

enum class ProxyVersion : std::uint8_t { V1 = 1, V2 = 2 };

enum class ProxyFamily : std::uint8_t {
  None,  // UNKNOWN, LOCAL, or no stream at all: the addresses of the socket itself count
  Ipv4,
  Ipv6,
  Unix,  // version 2 only
};

// One end of the announced connection.
struct ProxyEnd {
  Buffer host;  // 4 or 16 bytes; of a unix socket the path, or NUL and the abstract name
  std::uint16_t port = 0;
  bool operator==(const ProxyEnd&) const = default;
};

struct ProxyHeader {
  ProxyFamily family = ProxyFamily::None;
  ProxyEnd source;       // the client; as the rest only with a family
  ProxyEnd destination;  // where it connected to
  bool operator==(const ProxyHeader&) const = default;
};

struct ProxyDecoded {
  std::size_t length = 0;  // of the header; what follows is the client's. 0: more bytes are needed
  ProxyHeader header;
};

// The specification's own limit, CR and LF included.
inline constexpr std::size_t kMaxProxyLine = 107;
// Version 2 could claim 16 bytes and 64 KiB. Unix addresses take 232, a generous set of TLVs some
// hundred; more than this is malformed, so that no more is kept in memory of a peer's first words.
inline constexpr std::size_t kMaxProxyHeader = 4096;

// A connection's first bytes so far, at the latest once they are kMaxProxyHeader. TLVs must fill
// the header exactly and are otherwise ignored, checksums too. LOCAL is believed whatever follows,
// as the specification wants.
Result<ProxyDecoded> decode_proxy_header(Bytes begin) noexcept;

// Both ends must fit the family. Without one: UNKNOWN, LOCAL; version 1 calls unix sockets UNKNOWN.
void append_proxy_header(Buffer& out, const ProxyHeader& header, ProxyVersion version);

}  // namespace perilune::wire
