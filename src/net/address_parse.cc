#include "net/address.hh"

#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "util/parse.hh"
#include "util/text.hh"

namespace perilune::net {

namespace {

constexpr std::size_t kMaxHostName = 253;  // RFC 1035, as text without the last dot
constexpr std::size_t kMaxLabel = 63;

Failure bad(std::string_view text, std::string_view why) {
  return {"address " + quoted(text) + ": " + std::string(why)};
}

// Host and port of "host:port", "[host]:port", "host", or an IPv6 address without brackets.
struct Parts {
  std::string_view host;
  std::optional<std::string_view> port;
  bool bracketed = false;
};

Result<Parts, Failure> split_bracketed(std::string_view text) {
  const std::size_t close = text.find(']');
  if (close == text.npos) return bad(text, "']' is missing");
  Parts parts;
  parts.host = text.substr(1, close - 1);
  parts.bracketed = true;
  const std::string_view rest = text.substr(close + 1);
  if (rest.empty()) return parts;
  if (rest.front() != ':') return bad(text, "only a port may follow ']'");
  parts.port = rest.substr(1);
  return parts;
}

Result<Parts, Failure> split(std::string_view text) {
  if (text.front() == '[') return split_bracketed(text);
  Parts parts;
  parts.host = text;
  if (std::count(text.begin(), text.end(), ':') != 1) return parts;
  const std::size_t colon = text.find(':');
  parts.host = text.substr(0, colon);
  parts.port = text.substr(colon + 1);
  return parts;
}

Result<std::uint16_t, Failure> parse_port(std::string_view text, const Parts& parts,
                                          std::optional<std::uint16_t> default_port) {
  if (!parts.port && !default_port) return bad(text, "the port is missing");
  if (!parts.port) return *default_port;
  constexpr std::uint16_t kMaxPort = std::numeric_limits<std::uint16_t>::max();
  const auto port = parse_unsigned(*parts.port, kMaxPort);
  if (!port) return bad(text, "the port must be a number of at most 65535");
  return static_cast<std::uint16_t>(*port);
}

Result<Address, Failure> parse_unix(std::string_view text) {
  std::string name(text);
  if (name.front() == '@') name.front() = '\0';
  if (name.size() == 1) return bad(text, "the name of the socket is missing");
  if (name.find('\0', 1) != name.npos) return bad(text, "a NUL cannot be part of it");
  if (name.size() > Address::kMaxUnixName) {
    return bad(text, "longer than the " + std::to_string(Address::kMaxUnixName) +
                         " bytes that a unix socket's name can have");
  }
  return Address::unix_name(name);
}

std::optional<std::uint32_t> parse_scope(std::string_view scope) {
  const unsigned index = if_nametoindex(std::string(scope).c_str());
  if (index != 0) return index;
  const auto number = parse_unsigned(scope, std::numeric_limits<std::uint32_t>::max());
  if (!number || *number == 0) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

Result<Address, Failure> parse_ipv6(std::string_view text, std::string_view host,
                                    std::uint16_t port) {
  const std::size_t percent = host.find('%');
  in6_addr binary;
  if (inet_pton(AF_INET6, std::string(host.substr(0, percent)).c_str(), &binary) != 1) {
    return bad(text, "not an IPv6 address");
  }
  if (percent == host.npos) return Address::ipv6(binary, port);
  const auto scope = parse_scope(host.substr(percent + 1));
  if (!scope) return bad(text, "no such network interface after '%'");
  return Address::ipv6(binary, port, *scope);
}

bool is_label_character(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

bool is_label(std::string_view label) noexcept {
  return !label.empty() && label.size() <= kMaxLabel &&
         std::all_of(label.begin(), label.end(), is_label_character);
}

bool is_host_name(std::string_view host) noexcept {
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.size() > kMaxHostName) return false;
  for (;;) {
    const std::size_t dot = host.find('.');
    if (!is_label(host.substr(0, dot))) return false;
    if (dot == host.npos) return true;
    host.remove_prefix(dot + 1);
  }
}

// RFC 1123: what ends in a number is an IPv4 address or a mistake, never a name.
bool looks_like_ipv4(std::string_view host) noexcept {
  const std::size_t dot = host.rfind('.');
  const std::string_view last = dot == host.npos ? host : host.substr(dot + 1);
  return !last.empty() && last.find_first_not_of("0123456789") == last.npos;
}

Result<Endpoint, Failure> parse_name_or_ipv4(std::string_view text, std::string_view host,
                                             std::uint16_t port) {
  in_addr binary;
  if (inet_pton(AF_INET, std::string(host).c_str(), &binary) == 1) {
    return Endpoint(Address::ipv4(binary, port));
  }
  if (looks_like_ipv4(host)) return bad(text, "not an IPv4 address");
  if (host == "*") return bad(text, "'*' is only for listening");
  if (host.empty()) return bad(text, "the host is missing");
  if (!is_host_name(host)) return bad(text, "neither an address nor a host name");
  return Endpoint(HostName{std::string(host), port});
}

Result<Endpoint, Failure> parse_internet(std::string_view text,
                                         std::optional<std::uint16_t> default_port) {
  const auto parts = split(text);
  if (!parts) return parts.error();
  const auto port = parse_port(text, *parts, default_port);
  if (!port) return port.error();
  const bool is_ipv6 = parts->bracketed || parts->host.find(':') != parts->host.npos;
  if (!is_ipv6) return parse_name_or_ipv4(text, parts->host, *port);
  const auto address = parse_ipv6(text, parts->host, *port);
  if (!address) return address.error();
  return Endpoint(*address);
}

}  // namespace

Result<Endpoint, Failure> parse_endpoint(std::string_view text,
                                         std::optional<std::uint16_t> default_port) {
  if (text.empty()) return Failure{"an address must not be empty"};
  // C functions would read only what is before it.
  if (text.find('\0') != text.npos) return bad(text, "a NUL cannot be part of it");
  if (text.front() != '/' && text.front() != '@') return parse_internet(text, default_port);
  const auto address = parse_unix(text);
  if (!address) return address.error();
  return Endpoint(*address);
}

Result<Address, Failure> parse_address(std::string_view text,
                                       std::optional<std::uint16_t> default_port) {
  const auto endpoint = parse_endpoint(text, default_port);
  if (!endpoint) return endpoint.error();
  const auto* const address = std::get_if<Address>(&*endpoint);
  if (address == nullptr)
    return bad(text, "a host name, but only numeric addresses are taken here");
  return *address;
}

Result<Address, Failure> parse_listen_address(std::string_view text,
                                              std::optional<std::uint16_t> default_port) {
  if (text != "*" && !text.starts_with("*:")) return parse_address(text, default_port);
  Parts parts;
  if (text.size() > 1) parts.port = text.substr(2);
  const auto port = parse_port(text, parts, default_port);
  if (!port) return port.error();
  return Address::any(*port);
}

}  // namespace perilune::net
