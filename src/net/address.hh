#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "util/failure.hh"
#include "util/result.hh"

namespace perilune::net {

// An address that a socket can be bound or connected to: IPv4, IPv6 or unix. A value.
class Address {
 public:
  // No address; of family AF_UNSPEC.
  Address() noexcept = default;
  // Anything longer than the family allows is cut; an unknown family gives no address.
  Address(const sockaddr* address, socklen_t size) noexcept;

  static Address ipv4(in_addr host, std::uint16_t port) noexcept;
  static Address ipv6(const in6_addr& host, std::uint16_t port, std::uint32_t scope = 0) noexcept;
  // Every address of both families; only for listening, with IPV6_V6ONLY off.
  static Address any(std::uint16_t port) noexcept;
  // A path, or an abstract name with a NUL in front; of at most kMaxUnixName bytes.
  static Address unix_name(std::string_view name) noexcept;
  static constexpr std::size_t kMaxUnixName = sizeof(sockaddr_un::sun_path) - 1;

  const sockaddr* data() const noexcept { return &storage_.any; }
  socklen_t size() const noexcept { return size_; }

  explicit operator bool() const noexcept { return size_ > 0; }
  sa_family_t family() const noexcept { return storage_.any.sa_family; }
  bool is_tcp() const noexcept { return family() == AF_INET || family() == AF_INET6; }
  bool is_unix() const noexcept { return family() == AF_UNIX; }
  bool is_abstract() const noexcept;
  // True for any(): '*:3306' and '[::]:3306' are different wishes.
  bool is_dual_stack() const noexcept { return dual_stack_; }
  // True for IPv4 in IPv6 too, which is what a socket of both families shows.
  bool is_ipv4() const noexcept;
  // Of a TCP address, IPv4 as ::ffff:a.b.c.d; zeros for others.
  std::array<std::byte, sizeof(in6_addr)> host_bytes() const noexcept;
  // "127.0.0.1", "::1", as certificates name them; empty for unix addresses.
  std::string host() const;
  // 0 for unix addresses.
  std::uint16_t port() const noexcept;
  // The file's path; empty for all but unix sockets with a path.
  std::string_view path() const noexcept;
  // Bytes of a unix address: the path, or NUL and the abstract name; empty for unnamed peers.
  std::string_view unix_bytes() const noexcept;

  // "127.0.0.1:3306", "[::1%eth0]:3306", "*:3306", "/path", "@abstract"; IPv4 in IPv6 as IPv4;
  // empty for unnamed unix peers and for no address.
  std::string text() const;

  friend bool operator==(const Address& a, const Address& b) noexcept;
  std::size_t hash() const noexcept;

 private:
  union Storage {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
    sockaddr_un un;
  };

  Storage storage_{};
  socklen_t size_ = 0;
  bool dual_stack_ = false;
};

// What DNS has to be asked for.
struct HostName {
  std::string host;
  std::uint16_t port;
  bool operator==(const HostName&) const = default;
};

using Endpoint = std::variant<Address, HostName>;

// "127.0.0.1:3306", "db.example:3306", "/path", …
std::string text_of(const Endpoint& endpoint);
// The same without port, as certificates name it; empty for unix addresses.
std::string host_of(const Endpoint& endpoint);

// What scripts write to say where to connect: "127.0.0.1:3306", "[::1]:3306", "::1",
// "fe80::1%eth0",
// "/path", "@abstract", or a host name with or without port, which must be there if there is no
// default.
Result<Endpoint, Failure> parse_endpoint(std::string_view text,
                                         std::optional<std::uint16_t> default_port);

// The same without host names.
Result<Address, Failure> parse_address(std::string_view text,
                                       std::optional<std::uint16_t> default_port);

// Where to listen: as parse_address, and "*" or "*:3306" for all addresses of both families.
Result<Address, Failure> parse_listen_address(std::string_view text,
                                              std::optional<std::uint16_t> default_port);

Result<Address, Failure> local_address(int socket);
Result<Address, Failure> peer_address(int socket);

}  // namespace perilune::net

template <>
struct std::hash<perilune::net::Address> {
  std::size_t operator()(const perilune::net::Address& address) const noexcept {
    return address.hash();
  }
};
