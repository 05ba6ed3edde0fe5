#pragma once

// "Start-up": the packets before a connection's first message, which have no tag. Decoders copy
// what they return; a login is rare.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "util/bytes.hh"
#include "util/result.hh"
#include "wire/postgres/protocol.hh"

namespace perilune::wire::postgres {

struct Parameter {
  std::string name;
  std::string value;
};

// "StartupMessage". The major version is 3; the minor one is what the client wished for.
struct StartupMessage {
  std::uint32_t version = kProtocol30;
  std::vector<Parameter> parameters;  // in the client's order; a later one replaces an earlier one

  // Empty if there is none.
  std::string_view parameter(std::string_view name) const noexcept;
  std::string_view user() const noexcept { return parameter("user"); }
  // The user's name if the client named none.
  std::string_view database() const noexcept;
  // Whether the connection shall be one of streaming replication: the parameter is there and not
  // an SQL spelling of "no". "database" asks for logical replication.
  bool wants_replication() const noexcept;
};

// "SSLRequest" and "GSSENCRequest": one byte answers them. Whatever has come in behind one of them
// before it was answered must be thrown away (CVE-2021-23214).
struct SslRequest {};
struct GssEncRequest {};

// "CancelRequest". Nothing answers it.
struct CancelRequest {
  std::uint32_t process_id = 0;
  Buffer key;  // 1 to kMaxCancelKeySize bytes
};

using Opening = std::variant<StartupMessage, SslRequest, GssEncRequest, CancelRequest>;

// How many bytes the packet at the front of `buffer` has; 0: not known before 4 are there.
Result<std::size_t> opening_size(Bytes buffer) noexcept;

// `packet` is exactly one, with its length.
Result<Opening> decode_opening(Bytes packet);

void append_startup_message(Buffer& out, const StartupMessage& message);
void append_ssl_request(Buffer& out);
void append_gssenc_request(Buffer& out);
void append_cancel_request(Buffer& out, const CancelRequest& request);

// Parameters whose name begins so are options of the protocol, not of the session.
inline constexpr std::string_view kProtocolOption = "_pq_.";

// The version that a server which knows kProtocol32 speaks with a client that wished for this one.
std::uint32_t agreed_version(std::uint32_t wished) noexcept;

// "NegotiateProtocolVersion": the version that the server speaks, and the protocol options that it
// does not know.
struct NegotiateProtocolVersion {
  std::uint32_t version = kProtocol30;
  std::vector<std::string> unknown_options;
};

Result<NegotiateProtocolVersion> decode_negotiate_protocol_version(Bytes body);
void append_negotiate_protocol_version(Buffer& out, const NegotiateProtocolVersion& message);

}  // namespace perilune::wire::postgres
