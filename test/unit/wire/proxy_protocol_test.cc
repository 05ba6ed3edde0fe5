#include "wire/proxy_protocol.hh"

#include <string>
#include <string_view>

#include "support/catch.hh"
#include "support/hex.hh"

using namespace perilune;
using namespace perilune::wire;
using namespace std::string_literals;
using perilune::test::from_hex;

namespace {

constexpr const char* kSignature = "0d0a0d0a000d0a515549540a";

Buffer binary(const std::string& rest) { return from_hex(kSignature + rest); }

Buffer bytes_of(std::string_view text) {
  const Bytes bytes = as_bytes(text);
  return Buffer(bytes.begin(), bytes.end());
}

ProxyDecoded decoded(Bytes bytes) {
  auto result = decode_proxy_header(bytes);
  REQUIRE(result);
  return *std::move(result);
}

std::string why_not(Bytes bytes) {
  const auto result = decode_proxy_header(bytes);
  return result ? "accepted" : result.error().what;
}
std::string why_not(std::string_view text) { return why_not(as_bytes(text)); }

std::string encoded(const ProxyHeader& header, ProxyVersion version) {
  Buffer out;
  append_proxy_header(out, header, version);
  return std::string(as_text(out));
}

ProxyHeader ipv4_header() {
  ProxyHeader header;
  header.family = ProxyFamily::Ipv4;
  header.source = {from_hex("c0a80001"), 56324};
  header.destination = {from_hex("c0a8000b"), 443};
  return header;
}

ProxyHeader ipv6_header() {
  ProxyHeader header;
  header.family = ProxyFamily::Ipv6;
  header.source = {from_hex("20010db8 00000000 00000000 00000001"), 65535};
  header.destination = {from_hex("ffffffff ffffffff ffffffff ffffffff"), 0};
  return header;
}

ProxyHeader unix_header() {
  ProxyHeader header;
  header.family = ProxyFamily::Unix;
  header.source.host = bytes_of("\0abstract"s);
  header.destination.host = bytes_of("/run/perilune/x.sock");
  return header;
}

// Nothing short of the whole is enough, and what follows is not looked at.
void check_truncations(const Buffer& whole) {
  for (std::size_t n = 0; n < whole.size(); ++n) {
    CAPTURE(n);
    CHECK(decoded(Bytes(whole).first(n)).length == 0);
  }
  Buffer more = whole;
  append(more, as_bytes("\r\nPROXY rest"));
  CHECK(decoded(more).length == whole.size());
  CHECK(decoded(more).header == decoded(whole).header);
}

}  // namespace

TEST_CASE("proxy protocol: the example of version 1", "[wire]") {
  const ProxyDecoded example =
      decoded(as_bytes("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"
                       "GET / HTTP/1.1\r\nHost: 192.168.0.11\r\n\r\n"));
  CHECK(example.length == 47);
  CHECK(example.header == ipv4_header());
}

TEST_CASE("proxy protocol: the longest lines of version 1", "[wire]") {
  const std::string ffff = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  const std::string ends = ffff + " " + ffff + " 65535 65535\r\n";
  const std::string highest = "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n";
  CHECK(decoded(as_bytes(highest)).length == 56);
  CHECK(decoded(as_bytes("PROXY TCP6 " + ends)).length == 104);
  CHECK(decoded(as_bytes("PROXY UNKNOWN " + ends)).length == 107);
  CHECK(decoded(as_bytes("PROXY UNKNOWN " + ends)).header.family == ProxyFamily::None);
  CHECK(decoded(as_bytes("PROXY UNKNOWN\r\n")).length == 15);
  CHECK(decoded(as_bytes("PROXY UNKNOWN  \0\xff any\rthing\r\n"s)).header == ProxyHeader{});
  CHECK(why_not("PROXY UNKNOWN x" + ends) == "line too long");
  CHECK(why_not("PROXY UNKNOWN" + std::string(93, 'x')) == "accepted");  // may still be bad
  CHECK(why_not("PROXY UNKNOWN" + std::string(94, 'x')) == "line too long");
}

TEST_CASE("proxy protocol: version 1 takes IPv6 in all its forms", "[wire]") {
  const auto header = decoded(as_bytes("PROXY TCP6 2001:DB8::1 ::ffff:1.2.3.4 0 65535\r\n")).header;
  CHECK(header.family == ProxyFamily::Ipv6);
  CHECK(header.source == ProxyEnd{from_hex("20010db8 00000000 00000000 00000001"), 0});
  CHECK(header.destination == ProxyEnd{from_hex("00000000 00000000 0000ffff 01020304"), 65535});
}

TEST_CASE("proxy protocol: what is not exactly a line of version 1 is malformed", "[wire]") {
  CHECK(why_not("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n") == "line not ended by CR LF");
  CHECK(why_not("PROXY \n") == "line not ended by CR LF");
  CHECK(why_not("PROXY \r\n") == "address family");
  CHECK(why_not("PROXY UNKNOWNS\r\n") == "address family");
  CHECK(why_not("PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n") == "address family");
  CHECK(why_not("PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n") == "address family");
  CHECK(why_not("PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n") == "address family");
  CHECK(why_not("PROXY TCP4\r\n") == "source address");
  CHECK(why_not("PROXY TCP4 1.2.3.04 5.6.7.8 1 2\r\n") == "source address");
  CHECK(why_not("PROXY TCP4 1.2.3.4\0 5.6.7.8 1 2\r\n"s) == "source address");
  CHECK(why_not("PROXY TCP4 ::1 5.6.7.8 1 2\r\n") == "source address");
  CHECK(why_not("PROXY TCP6 1.2.3.4 ::1 1 2\r\n") == "source address");
  CHECK(why_not("PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n") == "destination address");
  CHECK(why_not("PROXY TCP4 1.2.3.4 5.6.7.256 1 2\r\n") == "destination address");
  CHECK(why_not("PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n") == "source port");
  CHECK(why_not("PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n") == "source port");
  CHECK(why_not("PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n") == "source port");
  CHECK(why_not("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n") == "destination port");
  CHECK(why_not("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n") == "destination port");
  CHECK(why_not("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n") == "destination port");
  CHECK(why_not("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\r\n") == "destination port");
}

TEST_CASE("proxy protocol: anything else is no header, from its first wrong byte on", "[wire]") {
  CHECK(why_not("GET / HTTP/1.1\r\n") == "missing");
  CHECK(why_not("X") == "missing");
  CHECK(why_not("PROXX") == "missing");
  CHECK(why_not("PROXY\r\n") == "missing");
  CHECK(why_not("\r\n\r\n\r") == "missing");
  CHECK(why_not(from_hex("0d0a0d0a000d0a515549540d")) == "missing");
}

TEST_CASE("proxy protocol: version 2, TCP over IPv4 and IPv6", "[wire]") {
  const auto ipv4 = binary("21 11 000c c0a80001 c0a8000b dc04 01bb");
  CHECK(decoded(ipv4).length == 28);
  CHECK(decoded(ipv4).header == ipv4_header());
  const auto ipv6 = binary(
      "21 21 0024 20010db8000000000000000000000001 ffffffffffffffffffffffffffffffff ffff 0000");
  CHECK(decoded(ipv6).length == 52);
  CHECK(decoded(ipv6).header == ipv6_header());
}

TEST_CASE("proxy protocol: version 2, unix sockets", "[wire]") {
  ProxyHeader header = unix_header();
  CHECK(decoded(as_bytes(encoded(header, ProxyVersion::V2))).header == header);
  header.source.host = {};
  header.destination.host = Buffer(108, std::byte{'x'});
  const std::string whole = encoded(header, ProxyVersion::V2);
  CHECK(whole.size() == 232);
  CHECK(decoded(as_bytes(whole)).header == header);
}

TEST_CASE("proxy protocol: version 2, LOCAL is believed whatever follows", "[wire]") {
  CHECK(decoded(binary("20 00 0000")).length == 16);
  CHECK(decoded(binary("20 00 0000")).header == ProxyHeader{});
  CHECK(decoded(binary("20 11 000c c0a80001 c0a8000b dc04 01bb")).header == ProxyHeader{});
  CHECK(decoded(binary("20 ff 0003 ffffff")).length == 19);
}

TEST_CASE("proxy protocol: version 2, what is no stream is unspecified", "[wire]") {
  for (const char* family : {"00", "01", "02", "10", "12", "20", "22", "30", "32"}) {
    CAPTURE(family);
    const auto header = decoded(binary("21"s + family + "000c c0a80001 c0a8000b dc04 01bb"));
    CHECK(header.length == 28);
    CHECK(header.header == ProxyHeader{});
  }
  for (const char* family : {"03", "13", "33", "40", "41", "f1"}) {
    CAPTURE(family);
    CHECK(why_not(binary("21"s + family + "0000")) == "address family");
  }
}

TEST_CASE("proxy protocol: version 2, other versions and commands are malformed", "[wire]") {
  for (const char* command : {"00", "01", "11", "22", "2f", "31", "f1"}) {
    CAPTURE(command);
    CHECK(why_not(binary(command + "11 000c"s)) == "version or command");
  }
}

TEST_CASE("proxy protocol: version 2, TLVs are skipped and must fill the header", "[wire]") {
  const std::string ends = "c0a80001 c0a8000b dc04 01bb";
  const auto with = [&ends](const std::string& size, const std::string& tlvs) {
    return binary("21 11" + size + ends + tlvs);
  };
  CHECK(decoded(with("000f", "04 0000")).length == 31);
  CHECK(decoded(with("0016", "04 0001 00 ea 0003 010203")).header == ipv4_header());
  CHECK(why_not(with("000d", "04")) == "too short");
  CHECK(why_not(with("000e", "04 00")) == "too short");
  CHECK(why_not(with("000f", "04 0001")) == "too short");
  CHECK(why_not(with("0010", "04 ffff 00")) == "too short");
  CHECK(why_not(binary("21 11 000b c0a80001 c0a8000b dc04 01")) == "too short");
  CHECK(why_not(binary("21 21 000c" + ends)) == "too short");
  CHECK(why_not(binary("21 31 000c" + ends)) == "too short");
}

TEST_CASE("proxy protocol: version 2, nothing longer than the limit is waited for", "[wire]") {
  CHECK(decoded(binary("21 11 0ff0")).length == 0);
  CHECK(why_not(binary("21 11 0ff1")) == "too long");
  CHECK(why_not(binary("20 00 ffff")) == "too long");
  Buffer longest = binary("21 11 0ff0 c0a80001 c0a8000b dc04 01bb 04 0fe1");
  longest.resize(kMaxProxyHeader);
  CHECK(decoded(longest).length == kMaxProxyHeader);
  CHECK(decoded(longest).header == ipv4_header());
}

TEST_CASE("proxy protocol: every truncation needs more", "[wire]") {
  check_truncations(bytes_of("PROXY UNKNOWN\r\n"));
  check_truncations(bytes_of("PROXY TCP6 2001:db8::1 ::1 1 2\r\n"));
  check_truncations(binary("20 00 0000"));
  check_truncations(binary("21 11 0016 c0a80001 c0a8000b dc04 01bb 04 0001 00 ea 0003 010203"));
  for (const auto& header : {ipv4_header(), ipv6_header(), unix_header()}) {
    check_truncations(bytes_of(encoded(header, ProxyVersion::V1)));
    check_truncations(bytes_of(encoded(header, ProxyVersion::V2)));
  }
}

TEST_CASE("proxy protocol: encoded in both versions", "[wire]") {
  CHECK(encoded(ipv4_header(), ProxyVersion::V1) ==
        "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n");
  CHECK(encoded(ipv6_header(), ProxyVersion::V1) ==
        "PROXY TCP6 2001:db8::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 0\r\n");
  CHECK(encoded(unix_header(), ProxyVersion::V1) == "PROXY UNKNOWN\r\n");
  CHECK(encoded({}, ProxyVersion::V1) == "PROXY UNKNOWN\r\n");
  CHECK(bytes_of(encoded({}, ProxyVersion::V2)) == binary("20 00 0000"));
  CHECK(bytes_of(encoded(ipv4_header(), ProxyVersion::V2)) ==
        binary("21 11 000c c0a80001 c0a8000b dc04 01bb"));
  CHECK(decoded(as_bytes(encoded(ipv6_header(), ProxyVersion::V1))).header == ipv6_header());
  CHECK(decoded(as_bytes(encoded(ipv6_header(), ProxyVersion::V2))).header == ipv6_header());
}
