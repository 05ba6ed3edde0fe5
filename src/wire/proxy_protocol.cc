#include "wire/proxy_protocol.hh"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "wire/builder.hh"
#include "wire/cursor.hh"

namespace perilune::wire {

namespace {

using namespace std::string_view_literals;

constexpr std::string_view kSignature1 = "PROXY ";
constexpr std::string_view kSignature2 = "\r\n\r\n\0\r\nQUIT\n"sv;

constexpr std::size_t kFixedSize = 16;  // of a header of version 2, before the addresses
constexpr std::uint8_t kLocal = 0x20;   // version and command
constexpr std::uint8_t kProxy = 0x21;
constexpr std::uint8_t kUnspecified = 0x00;  // address family and transport
constexpr std::uint8_t kMaxFamily = 0x3;
constexpr std::uint8_t kMaxTransport = 0x2;
constexpr std::size_t kUnixNameSize = 108;

constexpr std::size_t kIpv4Size = 4;
constexpr std::size_t kIpv6Size = 16;

bool may_become(std::string_view begin, std::string_view signature) noexcept {
  return signature.starts_with(begin.substr(0, signature.size()));
}

// --- version 1

bool read_host(std::string_view text, ProxyFamily family, Buffer& host) noexcept {
  // A C string would end at it.
  if (text.find('\0') != text.npos) return false;
  const bool is_ipv4 = family == ProxyFamily::Ipv4;
  host.resize(is_ipv4 ? kIpv4Size : kIpv6Size);
  return inet_pton(is_ipv4 ? AF_INET : AF_INET6, std::string(text).c_str(), host.data()) == 1;
}

bool read_port(std::string_view text, std::uint16_t& port) noexcept {
  if (text.size() > 1 && text.front() == '0') return false;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, port);
  return error == std::errc() && stop == end;
}

// Up to the next space, which is skipped.
std::string_view take_word(std::string_view& left) noexcept {
  const std::size_t space = left.find(' ');
  const std::string_view word = left.substr(0, space);
  left.remove_prefix(space == left.npos ? left.size() : space + 1);
  return word;
}

// Addresses and ports behind "TCP4 " or "TCP6 ".
Result<ProxyHeader> read_ends(std::string_view text, ProxyFamily family) noexcept {
  ProxyHeader header;
  header.family = family;
  if (!read_host(take_word(text), family, header.source.host)) return Malformed{"source address"};
  if (!read_host(take_word(text), family, header.destination.host)) {
    return Malformed{"destination address"};
  }
  if (!read_port(take_word(text), header.source.port)) return Malformed{"source port"};
  if (!read_port(text, header.destination.port)) return Malformed{"destination port"};
  return header;
}

Result<ProxyHeader> read_line(std::string_view line) noexcept {
  if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) return ProxyHeader{};
  const std::string_view family = take_word(line);
  if (family == "TCP4") return read_ends(line, ProxyFamily::Ipv4);
  if (family == "TCP6") return read_ends(line, ProxyFamily::Ipv6);
  return Malformed{"address family"};
}

Result<ProxyDecoded> decode_line(std::string_view begin) noexcept {
  const std::size_t end = begin.substr(0, kMaxProxyLine).find('\n');
  if (end == begin.npos && begin.size() >= kMaxProxyLine) return Malformed{"line too long"};
  if (end == begin.npos) return ProxyDecoded{};
  if (begin[end - 1] != '\r') return Malformed{"line not ended by CR LF"};
  auto header = read_line(begin.substr(kSignature1.size(), end - 1 - kSignature1.size()));
  if (!header) return header.error();
  return ProxyDecoded{end + 1, *std::move(header)};
}

void append_line(Buffer& out, const ProxyHeader& header) {
  Builder to{out};
  to.text(kSignature1);
  if (header.family != ProxyFamily::Ipv4 && header.family != ProxyFamily::Ipv6) {
    to.text("UNKNOWN\r\n");
    return;
  }
  const bool is_ipv4 = header.family == ProxyFamily::Ipv4;
  to.text(is_ipv4 ? "TCP4" : "TCP6");
  for (const ProxyEnd* end : {&header.source, &header.destination}) {
    assert(end->host.size() == (is_ipv4 ? kIpv4Size : kIpv6Size));
    char text[INET6_ADDRSTRLEN];
    inet_ntop(is_ipv4 ? AF_INET : AF_INET6, end->host.data(), text, sizeof text);
    to.text(" ").text(text);
  }
  for (const ProxyEnd* end : {&header.source, &header.destination}) {
    to.text(" ").text(std::to_string(end->port));
  }
  to.text("\r\n");
}

// --- version 2

std::uint16_t read_u16(Cursor& in) noexcept {
  const unsigned high = in.u8();
  return static_cast<std::uint16_t>(high << 8 | in.u8());
}

void append_u16(Builder& to, std::size_t value) {
  to.u8(static_cast<std::uint8_t>(value >> 8)).u8(static_cast<std::uint8_t>(value));
}

Buffer copy(Bytes bytes) { return Buffer(bytes.begin(), bytes.end()); }

// How long an abstract name is nobody says: zeros at its end are taken for filling.
Buffer copy_unix_name(Bytes field) {
  const std::string_view text = as_text(field);
  const bool is_path = !text.empty() && text.front() != '\0';
  if (is_path) return copy(as_bytes(text.substr(0, text.find('\0'))));
  return copy(field.first(text.find_last_not_of('\0') + 1));
}

void read_addresses(Cursor& in, ProxyHeader& header) noexcept {
  if (header.family == ProxyFamily::Unix) {
    header.source.host = copy_unix_name(in.take(kUnixNameSize));
    header.destination.host = copy_unix_name(in.take(kUnixNameSize));
    return;
  }
  const std::size_t size = header.family == ProxyFamily::Ipv4 ? kIpv4Size : kIpv6Size;
  header.source.host = copy(in.take(size));
  header.destination.host = copy(in.take(size));
  header.source.port = read_u16(in);
  header.destination.port = read_u16(in);
}

void skip_tlvs(Cursor& in) noexcept {
  while (!in.empty()) {
    in.u8();
    in.take(read_u16(in));
  }
}

// Datagrams cannot be meant on a stream: they count as unspecified, as the specification allows.
ProxyFamily family_of(std::uint8_t byte) noexcept {
  switch (byte) {
    case 0x11:
      return ProxyFamily::Ipv4;
    case 0x21:
      return ProxyFamily::Ipv6;
    case 0x31:
      return ProxyFamily::Unix;
    default:
      return ProxyFamily::None;
  }
}

std::uint8_t byte_of(ProxyFamily family) noexcept {
  constexpr std::array<std::uint8_t, 4> kBytes{kUnspecified, 0x11, 0x21, 0x31};
  return kBytes[static_cast<std::size_t>(family)];
}

Result<ProxyDecoded> read_block(Bytes block, std::uint8_t family) noexcept {
  ProxyDecoded decoded;
  decoded.length = kFixedSize + block.size();
  decoded.header.family = family_of(family);
  if (decoded.header.family == ProxyFamily::None) return decoded;
  Cursor in{block};
  read_addresses(in, decoded.header);
  skip_tlvs(in);
  return in.finish(std::move(decoded));
}

Result<ProxyDecoded> decode_binary(Bytes begin) noexcept {
  if (begin.size() < kFixedSize) return ProxyDecoded{};
  Cursor in{begin.first(kFixedSize)};
  in.take(kSignature2.size());
  const std::uint8_t command = in.u8();
  const std::uint8_t family = in.u8();
  const std::size_t size = read_u16(in);
  in.require(command == kLocal || command == kProxy, "version or command");
  const bool is_known = family >> 4 <= kMaxFamily && (family & 0x0F) <= kMaxTransport;
  in.require(command == kLocal || is_known, "address family");
  in.require(kFixedSize + size <= kMaxProxyHeader, "too long");
  if (!in.ok() || begin.size() < kFixedSize + size) return in.finish(ProxyDecoded{});
  return read_block(begin.subspan(kFixedSize, size), command == kLocal ? kUnspecified : family);
}

void append_unix_name(Builder& to, Bytes name) {
  assert(name.size() <= kUnixNameSize);
  to.bytes(name).zeros(kUnixNameSize - name.size());
}

std::size_t size_of_addresses(ProxyFamily family) noexcept {
  constexpr std::array<std::size_t, 4> kSizes{0, 2 * kIpv4Size + 4, 2 * kIpv6Size + 4,
                                              2 * kUnixNameSize};
  return kSizes[static_cast<std::size_t>(family)];
}

void append_binary(Buffer& out, const ProxyHeader& header) {
  Builder to{out};
  to.text(kSignature2).u8(header.family == ProxyFamily::None ? kLocal : kProxy);
  to.u8(byte_of(header.family));
  append_u16(to, size_of_addresses(header.family));
  if (header.family == ProxyFamily::None) return;
  if (header.family == ProxyFamily::Unix) {
    append_unix_name(to, header.source.host);
    append_unix_name(to, header.destination.host);
    return;
  }
  to.bytes(header.source.host).bytes(header.destination.host);
  append_u16(to, header.source.port);
  append_u16(to, header.destination.port);
}

}  // namespace

Result<ProxyDecoded> decode_proxy_header(Bytes begin) noexcept {
  const std::string_view text = as_text(begin);
  if (text.starts_with(kSignature2)) return decode_binary(begin);
  if (text.starts_with(kSignature1)) return decode_line(text);
  if (may_become(text, kSignature1) || may_become(text, kSignature2)) return ProxyDecoded{};
  return Malformed{"missing"};
}

void append_proxy_header(Buffer& out, const ProxyHeader& header, ProxyVersion version) {
  if (version == ProxyVersion::V1) {
    append_line(out, header);
  } else {
    append_binary(out, header);
  }
}

}  // namespace perilune::wire
