#include "net/address.hh"

#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <system_error>

namespace perilune::net {

namespace {

constexpr std::size_t kUnixNameOffset = offsetof(sockaddr_un, sun_path);

std::string with_port(std::string host, std::uint16_t port) {
  return host.append(":").append(std::to_string(port));
}

std::string ipv4_text(const in_addr& host) {
  char text[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &host, text, sizeof text);
  return text;
}

std::string scope_text(std::uint32_t scope) {
  char name[IF_NAMESIZE];
  return if_indextoname(scope, name) != nullptr ? name : std::to_string(scope);
}

std::string ipv6_text(const sockaddr_in6& v6) {
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    in_addr inner;
    std::memcpy(&inner, &v6.sin6_addr.s6_addr[12], sizeof inner);
    return ipv4_text(inner);
  }
  char text[INET6_ADDRSTRLEN];
  inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
  std::string host = std::string("[") + text;
  if (v6.sin6_scope_id != 0) host.append("%").append(scope_text(v6.sin6_scope_id));
  return host.append("]");
}

// A name of an abstract socket may contain anything; a path ends at its NUL.
std::string unix_text(const Address& address) {
  if (!address.is_abstract()) return std::string(address.path());
  return "@" + std::string(address.unix_bytes().substr(1));
}

bool same_ipv6(const sockaddr_in6& a, const sockaddr_in6& b) noexcept {
  return a.sin6_port == b.sin6_port && a.sin6_scope_id == b.sin6_scope_id &&
         std::memcmp(&a.sin6_addr, &b.sin6_addr, sizeof a.sin6_addr) == 0;
}

bool same_ipv4(const sockaddr_in& a, const sockaddr_in& b) noexcept {
  return a.sin_port == b.sin_port && a.sin_addr.s_addr == b.sin_addr.s_addr;
}

std::size_t hash_bytes(const void* bytes, std::size_t size) noexcept {
  return std::hash<std::string_view>{}({static_cast<const char*>(bytes), size});
}

socklen_t longest(sa_family_t family) noexcept {
  switch (family) {
    case AF_INET:
      return sizeof(sockaddr_in);
    case AF_INET6:
      return sizeof(sockaddr_in6);
    case AF_UNIX:
      return sizeof(sockaddr_un);
    default:
      return 0;
  }
}

template <typename Syscall>
Result<Address, Failure> socket_address(Syscall syscall, int socket, const char* what) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (syscall(socket, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    return Failure{std::string(what) + ": " + std::generic_category().message(errno)};
  }
  return Address(reinterpret_cast<const sockaddr*>(&storage), size);
}

}  // namespace

Address::Address(const sockaddr* address, socklen_t size) noexcept {
  if (size < sizeof(sa_family_t)) return;
  sa_family_t family = AF_UNSPEC;
  std::memcpy(&family, address, sizeof family);
  const socklen_t most = longest(family);
  // An address of the internet is whole or none; a unix one has any length.
  if (most == 0 || (family != AF_UNIX && size < most)) return;
  size_ = std::min(size, most);
  std::memcpy(&storage_, address, size_);
}

Address Address::ipv4(in_addr host, std::uint16_t port) noexcept {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_addr = host;
  v4.sin_port = htons(port);
  return Address(reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
}

Address Address::ipv6(const in6_addr& host, std::uint16_t port, std::uint32_t scope) noexcept {
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_addr = host;
  v6.sin6_port = htons(port);
  v6.sin6_scope_id = scope;
  return Address(reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
}

Address Address::any(std::uint16_t port) noexcept {
  Address address = ipv6(in6addr_any, port);
  address.dual_stack_ = true;
  return address;
}

Address Address::unix_name(std::string_view name) noexcept {
  name = name.substr(0, kMaxUnixName);
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  std::ranges::copy(name, un.sun_path);
  // A path is given with its NUL, an abstract name ends where the size says.
  const bool abstract = !name.empty() && name.front() == '\0';
  const std::size_t size = kUnixNameOffset + name.size() + (abstract ? 0 : 1);
  return Address(reinterpret_cast<const sockaddr*>(&un), static_cast<socklen_t>(size));
}

std::string_view Address::unix_bytes() const noexcept {
  if (!is_unix() || size_ <= kUnixNameOffset) return {};
  const std::string_view bytes(storage_.un.sun_path, size_ - kUnixNameOffset);
  return bytes.front() == '\0' ? bytes : bytes.substr(0, bytes.find('\0'));
}

bool Address::is_abstract() const noexcept {
  const std::string_view bytes = unix_bytes();
  return bytes.size() > 1 && bytes.front() == '\0';
}

std::string_view Address::path() const noexcept {
  const std::string_view bytes = unix_bytes();
  return bytes.empty() || bytes.front() == '\0' ? std::string_view() : bytes;
}

bool Address::is_ipv4() const noexcept {
  return family() == AF_INET ||
         (family() == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&storage_.v6.sin6_addr));
}

std::array<std::byte, sizeof(in6_addr)> Address::host_bytes() const noexcept {
  std::array<std::byte, sizeof(in6_addr)> bytes{};
  if (family() == AF_INET6) {
    std::memcpy(bytes.data(), &storage_.v6.sin6_addr, bytes.size());
  } else if (family() == AF_INET) {
    bytes[10] = bytes[11] = std::byte{0xFF};
    std::memcpy(&bytes[12], &storage_.v4.sin_addr, sizeof storage_.v4.sin_addr);
  }
  return bytes;
}

std::uint16_t Address::port() const noexcept {
  if (family() == AF_INET) return ntohs(storage_.v4.sin_port);
  if (family() == AF_INET6) return ntohs(storage_.v6.sin6_port);
  return 0;
}

std::string Address::host() const {
  if (family() == AF_INET) return ipv4_text(storage_.v4.sin_addr);
  if (family() != AF_INET6) return {};
  std::string text = ipv6_text(storage_.v6);
  if (text.front() != '[') return text;
  return text.substr(1, text.find_first_of("%]") - 1);
}

std::string Address::text() const {
  if (dual_stack_) return with_port("*", port());
  if (family() == AF_INET) return with_port(ipv4_text(storage_.v4.sin_addr), port());
  if (family() == AF_INET6) return with_port(ipv6_text(storage_.v6), port());
  return is_unix() ? unix_text(*this) : std::string();
}

std::string text_of(const Endpoint& endpoint) {
  if (const auto* address = std::get_if<Address>(&endpoint)) return address->text();
  const auto& name = std::get<HostName>(endpoint);
  return with_port(name.host, name.port);
}

std::string host_of(const Endpoint& endpoint) {
  const auto* address = std::get_if<Address>(&endpoint);
  return address != nullptr ? address->host() : std::get<HostName>(endpoint).host;
}

bool operator==(const Address& a, const Address& b) noexcept {
  if (a.family() != b.family() || a.dual_stack_ != b.dual_stack_) return false;
  if (a.family() == AF_INET) return same_ipv4(a.storage_.v4, b.storage_.v4);
  if (a.family() == AF_INET6) return same_ipv6(a.storage_.v6, b.storage_.v6);
  return a.unix_bytes() == b.unix_bytes();
}

std::size_t Address::hash() const noexcept {
  const std::size_t seed = std::size_t{port()} * 31 + family();
  if (family() == AF_INET) return seed ^ hash_bytes(&storage_.v4.sin_addr, sizeof(in_addr));
  if (family() == AF_INET6) return seed ^ hash_bytes(&storage_.v6.sin6_addr, sizeof(in6_addr));
  return seed ^ std::hash<std::string_view>{}(unix_bytes());
}

Result<Address, Failure> local_address(int socket) {
  return socket_address(getsockname, socket, "getsockname");
}

Result<Address, Failure> peer_address(int socket) {
  return socket_address(getpeername, socket, "getpeername");
}

}  // namespace perilune::net
