#include "net/network.hh"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <string>

#include "util/parse.hh"
#include "util/text.hh"

namespace perilune::net {

namespace {

using HostBytes = std::array<std::byte, sizeof(in6_addr)>;

constexpr std::size_t kBits = 128;
constexpr std::size_t kIpv4Bits = 32;

Failure bad(std::string_view text, const std::string& why) {
  return {"network " + quoted(text) + ": " + why};
}

Address parse_host(const std::string& host) {
  in_addr ipv4;
  if (inet_pton(AF_INET, host.c_str(), &ipv4) == 1) return Address::ipv4(ipv4, 0);
  in6_addr ipv6;
  if (inet_pton(AF_INET6, host.c_str(), &ipv6) == 1) return Address::ipv6(ipv6, 0);
  return {};
}

HostBytes first_bits(HostBytes bytes, std::size_t bits) noexcept {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::size_t kept = bits > 8 * i ? bits - 8 * i : 0;
    if (kept < 8) bytes[i] &= static_cast<std::byte>(0xFF00 >> kept);
  }
  return bytes;
}

}  // namespace

bool Network::contains(const Address& address) const noexcept {
  return address.is_tcp() && address.is_ipv4() == is_ipv4_ &&
         first_bits(address.host_bytes(), bits_) == prefix_;
}

Result<Network, Failure> parse_network(std::string_view text) {
  if (text.find('\0') != text.npos) return bad(text, "a NUL cannot be part of it");
  const std::size_t slash = text.find('/');
  const Address host = parse_host(std::string(text.substr(0, slash)));
  if (!host) return bad(text, "neither an IPv4 nor an IPv6 address");
  const std::size_t most = host.family() == AF_INET ? kIpv4Bits : kBits;
  std::size_t length = most;
  if (slash != text.npos) {
    const auto given = parse_unsigned(text.substr(slash + 1), most);
    if (!given) return bad(text, fmt::format("a number of at most {} must follow '/'", most));
    length = *given;
  }
  Network network;
  network.bits_ = static_cast<std::uint8_t>(kBits - most + length);
  network.prefix_ = first_bits(host.host_bytes(), network.bits_);
  network.is_ipv4_ = host.is_ipv4();
  if (network.prefix_ == host.host_bytes()) return network;
  return bad(text, fmt::format("bits behind the first {} are set", length));
}

}  // namespace perilune::net
