#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "net/address.hh"
#include "util/failure.hh"
#include "util/result.hh"

namespace perilune::net {

// A block of IPv4 or IPv6 addresses, as in CIDR notation. A value; ordered so that lists can be
// compared as sets. IPv4 is one thing, whether a socket shows it in IPv6 or not, and belongs to no
// block of IPv6: '::/0' has none of it.
class Network {
 public:
  // Ports and IPv6 scopes are ignored; false for unix addresses.
  bool contains(const Address& address) const noexcept;

  auto operator<=>(const Network&) const = default;

 private:
  friend Result<Network, Failure> parse_network(std::string_view text);

  std::array<std::byte, sizeof(in6_addr)> prefix_{};  // as Address::host_bytes()
  std::uint8_t bits_ = 0;                             // that count, of all of prefix_
  bool is_ipv4_ = false;
};

// "10.0.0.0/8", "2001:db8::/32"; without a length that one address. Bits behind the prefix must be
// zero.
Result<Network, Failure> parse_network(std::string_view text);

}  // namespace perilune::net
