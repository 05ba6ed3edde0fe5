#include "session/proxy_header.hh"

#include <fmt/format.h>

#include <chrono>
#include <cstring>
#include <optional>
#include <utility>

#include "event/first_of.hh"
#include "util/error.hh"
#include "wire/proxy_protocol.hh"

namespace perilune::session {

namespace {

[[noreturn]] void fail(Session& session, const char* what) {
  session.metrics().proxy_headers_bad.add();
  throw PeerError(fmt::format("PROXY header: {}", what));
}

[[noreturn]] void fail_at_end(Session& session, const net::Stream& client) {
  if (!client.input().empty()) fail(session, "the connection was closed in the middle of it");
  session.metrics().handshakes_aborted.add();
  throw ClientGone("closed the connection before its PROXY header");
}

event::Task<wire::ProxyHeader> read_header(Session& session, net::Stream& client) {
  for (;;) {
    auto decoded = wire::decode_proxy_header(client.input());
    if (!decoded) fail(session, decoded.error().what);
    if (decoded->length > 0) {
      client.consume(decoded->length);
      co_return std::move(decoded->header);
    }
    const bool grown = co_await client.fill();
    if (!grown) fail_at_end(session, client);
  }
}

net::Address address_of(wire::ProxyFamily family, const wire::ProxyEnd& end) {
  if (family == wire::ProxyFamily::Unix) return net::Address::unix_name(as_text(end.host));
  if (family == wire::ProxyFamily::Ipv4) {
    in_addr host;
    std::memcpy(&host, end.host.data(), sizeof host);
    return net::Address::ipv4(host, end.port);
  }
  in6_addr host;
  std::memcpy(&host, end.host.data(), sizeof host);
  return net::Address::ipv6(host, end.port);
}

wire::ProxyEnd end_of(const net::Address& address, bool is_ipv4) {
  constexpr std::size_t kIpv4InIpv6 = 12;
  const auto host = address.host_bytes();
  const Bytes bytes = Bytes{host}.subspan(is_ipv4 ? kIpv4InIpv6 : 0);
  return {Buffer(bytes.begin(), bytes.end()), address.port()};
}

wire::ProxyHeader header_of(const Session& session) {
  wire::ProxyHeader header;
  const net::Address client = session.peer();
  const auto local = session.local_address();
  if (!client.is_tcp() || !local || !local->is_tcp()) return header;
  const bool is_ipv4 = client.is_ipv4() && local->is_ipv4();
  header.family = is_ipv4 ? wire::ProxyFamily::Ipv4 : wire::ProxyFamily::Ipv6;
  header.source = end_of(client, is_ipv4);
  header.destination = end_of(*local, is_ipv4);
  return header;
}

}  // namespace

event::Task<> receive_proxy_header(Session& session, net::Stream& client) {
  const Clock::time_point begin = Clock::now();
  client.set_sensitive(true);  // a login may follow at once
  auto reading = read_header(session, client);
  const Millis limit = session.options().handshake_timeout;
  const auto header = co_await event::within(session.loop(), limit, std::move(reading));
  client.set_sensitive(false);
  if (!header) fail(session, "not received within handshake_timeout");
  session.note_proxy_header(std::chrono::duration_cast<Millis>(Clock::now() - begin));
  if (header->family == wire::ProxyFamily::None) co_return;
  session.announce(address_of(header->family, header->source),
                   address_of(header->family, header->destination));
}

Buffer make_proxy_header(const Session& session, SendProxy version) {
  Buffer header;
  if (version == SendProxy::No) return header;
  wire::append_proxy_header(
      header, header_of(session),
      version == SendProxy::V1 ? wire::ProxyVersion::V1 : wire::ProxyVersion::V2);
  return header;
}

}  // namespace perilune::session
