#include "net/network.hh"

#include <string>

#include "support/catch.hh"

using namespace perilune;
using namespace perilune::net;
using namespace std::string_literals;

namespace {

bool has(std::string_view network, std::string_view address) {
  const auto parsed = parse_network(network);
  CAPTURE(network, address);
  REQUIRE(parsed);
  return parsed->contains(*parse_address(address, 1));
}

std::string error_of(std::string_view text) {
  const auto network = parse_network(text);
  return network ? "accepted" : network.error().message;
}

}  // namespace

TEST_CASE("network: IPv4 blocks", "[net]") {
  CHECK(has("10.0.0.0/8", "10.0.0.0:1"));
  CHECK(has("10.0.0.0/8", "10.255.255.255:65535"));
  CHECK_FALSE(has("10.0.0.0/8", "11.0.0.0"));
  CHECK_FALSE(has("10.0.0.0/8", "9.255.255.255"));
  CHECK(has("192.168.4.0/22", "192.168.7.255"));
  CHECK_FALSE(has("192.168.4.0/22", "192.168.8.0"));
  CHECK(has("0.0.0.0/0", "255.255.255.255"));
  CHECK(has("127.0.0.1/32", "127.0.0.1"));
  CHECK_FALSE(has("127.0.0.0/31", "127.0.0.2"));
}

TEST_CASE("network: IPv6 blocks", "[net]") {
  CHECK(has("2001:db8::/32", "2001:db8:ffff::1"));
  CHECK_FALSE(has("2001:db8::/32", "2001:db9::"));
  CHECK(has("2001:db8:8000::/33", "2001:db8:8000::1"));
  CHECK_FALSE(has("2001:db8:8000::/33", "2001:db8:7fff::1"));
  CHECK(has("::/0", "ffff::"));
  CHECK(has("fe80::/10", "fe80::1%lo"));
}

TEST_CASE("network: an address is a block of one", "[net]") {
  CHECK(has("127.0.0.1", "127.0.0.1:3306"));
  CHECK_FALSE(has("127.0.0.1", "127.0.0.2"));
  CHECK(has("::1", "[::1]:3306"));
  CHECK_FALSE(has("::1", "::2"));
}

TEST_CASE("network: IPv4 in IPv6 is IPv4", "[net]") {
  CHECK(has("10.0.0.0/8", "::ffff:10.1.2.3"));
  CHECK(has("::ffff:10.0.0.0/104", "10.1.2.3"));
  CHECK_FALSE(has("::/0", "10.1.2.3"));
  CHECK_FALSE(has("::/0", "::ffff:10.1.2.3"));
  CHECK_FALSE(has("0.0.0.0/0", "::1"));
}

TEST_CASE("network: unix sockets and no address are in none", "[net]") {
  CHECK_FALSE(has("::/0", "/run/x.sock"));
  CHECK_FALSE(parse_network("0.0.0.0/0")->contains(Address{}));
}

TEST_CASE("network: ordered and compared by value", "[net]") {
  CHECK(*parse_network("::ffff:10.0.0.0/104") == *parse_network("10.0.0.0/8"));
  CHECK(*parse_network("10.0.0.0/8") != *parse_network("10.0.0.0/9"));
  CHECK(*parse_network("10.0.0.0/8") < *parse_network("11.0.0.0/8"));
}

TEST_CASE("network: mistakes are told", "[net]") {
  CHECK(error_of("10.0.0.0/33").find("at most 32") != std::string::npos);
  CHECK(error_of("::/129").find("at most 128") != std::string::npos);
  CHECK(error_of("10.1.2.3/8").find("bits behind the first 8 are set") != std::string::npos);
  CHECK(error_of("127.0.0.1/").find("must follow") != std::string::npos);
  CHECK(error_of("127.0.0.1/ 8").find("must follow") != std::string::npos);
  CHECK(error_of("127.0.0.1/-1").find("must follow") != std::string::npos);
  for (const char* text :
       {"", "/8", "localhost", "10.0.0.0:3306", "[::1]", "10.0.0/8", "fe80::1%lo"}) {
    CHECK(error_of(text).find("neither an IPv4 nor an IPv6 address") != std::string::npos);
  }
  CHECK(error_of("::1\0x"s).find("NUL") != std::string::npos);
}
