#include "net/address.hh"

#include <arpa/inet.h>
#include <net/if.h>
#include <unistd.h>

#include <cstring>
#include <unordered_set>

#include "support/catch.hh"
#include "util/fd.hh"

using namespace perilune;
using namespace perilune::net;
using namespace std::string_literals;

namespace {

Address parsed(std::string_view text, std::uint16_t default_port = 3306) {
  const auto address = parse_address(text, default_port);
  CAPTURE(text);
  REQUIRE(address);
  return *address;
}

std::string error_of(std::string_view text) {
  const auto endpoint = parse_endpoint(text, 3306);
  CAPTURE(text);
  REQUIRE_FALSE(endpoint);
  return endpoint.error().message;
}

HostName host_of(std::string_view text) {
  const auto endpoint = parse_endpoint(text, 3306);
  CAPTURE(text);
  REQUIRE(endpoint);
  REQUIRE(std::holds_alternative<HostName>(*endpoint));
  return std::get<HostName>(*endpoint);
}

Address mapped(const char* text, std::uint16_t port) {
  in6_addr host{};
  REQUIRE(inet_pton(AF_INET6, text, &host) == 1);
  return Address::ipv6(host, port);
}

}  // namespace

TEST_CASE("address: IPv4 with and without port", "[net]") {
  const Address address = parsed("127.0.0.1:3307");
  CHECK(address.family() == AF_INET);
  CHECK(address.is_tcp());
  CHECK_FALSE(address.is_unix());
  CHECK(address.port() == 3307);
  CHECK(address.size() == sizeof(sockaddr_in));
  CHECK(address.text() == "127.0.0.1:3307");
  CHECK(parsed("10.1.2.3").text() == "10.1.2.3:3306");
  CHECK(parsed("0.0.0.0:0").text() == "0.0.0.0:0");
  CHECK(parsed("1.2.3.4:65535").port() == 65535);
}

TEST_CASE("address: IPv6 with and without brackets", "[net]") {
  const Address address = parsed("[::1]:3307");
  CHECK(address.family() == AF_INET6);
  CHECK(address.is_tcp());
  CHECK(address.port() == 3307);
  CHECK(address.size() == sizeof(sockaddr_in6));
  CHECK(address.text() == "[::1]:3307");
  CHECK(parsed("::1").text() == "[::1]:3306");
  CHECK(parsed("[2001:DB8::1]").text() == "[2001:db8::1]:3306");
  CHECK(parsed("2001:db8::17").text() == "[2001:db8::17]:3306");
  CHECK(parsed("::").text() == "[::]:3306");
}

TEST_CASE("address: an IPv6 scope is an interface or its number", "[net]") {
  const unsigned loopback = if_nametoindex("lo");
  REQUIRE(loopback != 0);
  const Address by_name = parsed("[fe80::1%lo]:3306");
  CHECK(by_name.text() == "[fe80::1%lo]:3306");
  CHECK(by_name == parsed("fe80::1%" + std::to_string(loopback)));
  CHECK(by_name != parsed("[fe80::1]:3306"));
  CHECK(parsed("fe80::1%999999").text() == "[fe80::1%999999]:3306");
}

TEST_CASE("address: IPv4 in IPv6 is shown as IPv4", "[net]") {
  CHECK(mapped("::ffff:10.1.2.3", 3306).text() == "10.1.2.3:3306");
  CHECK(parsed("[::ffff:10.1.2.3]:1").text() == "10.1.2.3:1");
}

TEST_CASE("address: unix sockets by path and by abstract name", "[net]") {
  const Address path = parsed("/run/x.sock");
  CHECK(path.is_unix());
  CHECK_FALSE(path.is_tcp());
  CHECK_FALSE(path.is_abstract());
  CHECK(path.path() == "/run/x.sock");
  CHECK(path.port() == 0);
  CHECK(path.text() == "/run/x.sock");
  const Address abstract = parsed("@perilune");
  CHECK(abstract.is_unix());
  CHECK(abstract.is_abstract());
  CHECK(abstract.path().empty());
  CHECK(abstract.unix_bytes() == "\0perilune"s);
  CHECK(abstract.text() == "@perilune");
  CHECK(parsed("/a:b").path() == "/a:b");
  CHECK(parsed("@a:1").text() == "@a:1");
}

TEST_CASE("address: the longest unix names and one byte more", "[net]") {
  const std::string path = "/" + std::string(106, 'p');
  CHECK(parsed(path).text() == path);
  CHECK(error_of(path + "p").find("longer than the 107 bytes") != std::string::npos);
  const std::string abstract = "@" + std::string(106, 'p');
  CHECK(parsed(abstract).text() == abstract);
  CHECK(error_of(abstract + "p").find("longer than the 107 bytes") != std::string::npos);
}

TEST_CASE("address: an unnamed unix peer and no address are empty text", "[net]") {
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  const Address unnamed(reinterpret_cast<const sockaddr*>(&un), sizeof(sa_family_t));
  CHECK(unnamed);
  CHECK(unnamed.is_unix());
  CHECK(unnamed.text().empty());
  CHECK(unnamed.unix_bytes().empty());
  const Address none;
  CHECK_FALSE(none);
  CHECK(none.text().empty());
  CHECK(none.family() == AF_UNSPEC);
  CHECK(none.port() == 0);
  CHECK(none != unnamed);
}

TEST_CASE("address: bytes from the kernel that are cut or unknown", "[net]") {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  const auto* const any = reinterpret_cast<const sockaddr*>(&v4);
  CHECK_FALSE(Address(any, sizeof v4 - 1));
  CHECK_FALSE(Address(any, 1));
  CHECK_FALSE(Address(any, 0));
  CHECK(Address(any, sizeof v4));
  v4.sin_family = AF_NETLINK;
  CHECK_FALSE(Address(any, sizeof v4));
}

TEST_CASE("parse_endpoint: host names are left to DNS", "[net]") {
  CHECK(host_of("db1.example:3307").host == "db1.example");
  CHECK(host_of("db1.example:3307").port == 3307);
  CHECK(host_of("localhost").host == "localhost");
  CHECK(host_of("localhost").port == 3306);
  CHECK(host_of("db_1.my-net.example.").host == "db_1.my-net.example.");
  CHECK(host_of("4you.example").host == "4you.example");
  CHECK(host_of(std::string(63, 'a') + ".x").port == 3306);
  CHECK(parse_address("localhost", 1).error().message ==
        "address \"localhost\": a host name, but only numeric addresses are taken here");
}

TEST_CASE("parse_endpoint: what is wrong is named", "[net]") {
  CHECK(error_of("") == "an address must not be empty");
  CHECK(error_of("256.0.0.1") == "address \"256.0.0.1\": not an IPv4 address");
  CHECK(error_of("10.1.2:3306") == "address \"10.1.2:3306\": not an IPv4 address");
  CHECK(error_of("3306") == "address \"3306\": not an IPv4 address");
  CHECK(error_of("[::g]:1") == "address \"[::g]:1\": not an IPv6 address");
  CHECK(error_of("1::2::3") == "address \"1::2::3\": not an IPv6 address");
  CHECK(error_of("[127.0.0.1]:1") == "address \"[127.0.0.1]:1\": not an IPv6 address");
  CHECK(error_of("[::1") == "address \"[::1\": ']' is missing");
  CHECK(error_of("[::1]3306") == "address \"[::1]3306\": only a port may follow ']'");
  CHECK(error_of("fe80::1%nosuchif") ==
        "address \"fe80::1%nosuchif\": no such network interface after '%'");
  CHECK(error_of("fe80::1%0") == "address \"fe80::1%0\": no such network interface after '%'");
  CHECK(error_of(":3306") == "address \":3306\": the host is missing");
  CHECK(error_of("*:3306") == "address \"*:3306\": '*' is only for listening");
  CHECK(error_of("@") == "address \"@\": the name of the socket is missing");
  CHECK(error_of("/") == "address \"/\": the name of the socket is missing");
  CHECK(error_of("/a\0b"s) == "address \"/a\\x00b\": a NUL cannot be part of it");
  CHECK(error_of("10.0.0.1\0x"s) == "address \"10.0.0.1\\x00x\": a NUL cannot be part of it");
  for (const char* port : {"", "x", "-1", "65536", "1 ", "+1"}) {
    const std::string text = "127.0.0.1:"s + port;
    CHECK(error_of(text) == "address \"" + text + "\": the port must be a number of at most 65535");
  }
  for (const std::string& host : {"a b"s, "a..b"s, ".a"s, "a/b"s, "ä"s, "a\n"s, "."s,
                                  std::string(64, 'a'), std::string(300, 'a') + ".x"}) {
    CHECK(error_of(host).find("neither an address nor a host name") != std::string::npos);
  }
}

TEST_CASE("parse_listen_address: '*' is every address of both families", "[net]") {
  const auto any = parse_listen_address("*:3307", 3306);
  REQUIRE(any);
  CHECK(any->is_dual_stack());
  CHECK(any->family() == AF_INET6);
  CHECK(any->port() == 3307);
  CHECK(any->text() == "*:3307");
  CHECK(parse_listen_address("*", 3306)->text() == "*:3306");
  CHECK_FALSE(parse_listen_address("*:", 3306));
  CHECK_FALSE(parse_listen_address("*:70000", 3306));
  CHECK_FALSE(parse_listen_address("*x", 3306));
  CHECK_FALSE(parse_listen_address("localhost", 3306));
  const auto v6 = parse_listen_address("[::]:3307", 3306);
  REQUIRE(v6);
  CHECK_FALSE(v6->is_dual_stack());
  CHECK(*v6 != *any);
}

TEST_CASE("address: equality and hash look at what identifies", "[net]") {
  std::unordered_set<Address> set;
  for (const char* text : {"127.0.0.1:1", "127.0.0.1:2", "127.0.0.2:1", "[::1]:1", "[::1]:2",
                           "fe80::1%1", "fe80::1%2", "/a", "@/a", "/b"}) {
    CHECK(set.insert(parsed(text)).second);
    CHECK_FALSE(set.insert(parsed(text)).second);
  }
  CHECK(Address() == Address());
}

TEST_CASE("address: a path from the kernel equals one from the script", "[net]") {
  const Address from_script = parsed("/run/x.sock");
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  std::strcpy(un.sun_path, "/run/x.sock");
  const Address whole(reinterpret_cast<const sockaddr*>(&un), sizeof un);
  CHECK(whole == from_script);
  CHECK(whole.hash() == from_script.hash());
  CHECK(whole.text() == "/run/x.sock");
}

TEST_CASE("address: what sockets were bound and connected to", "[net]") {
  const UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const Address wanted = parsed("127.0.0.1:0");
  REQUIRE(bind(listener.value(), wanted.data(), wanted.size()) == 0);
  REQUIRE(listen(listener.value(), 1) == 0);
  const auto bound = local_address(listener.value());
  REQUIRE(bound);
  CHECK(bound->port() != 0);
  const UniqueFd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(connect(client.value(), bound->data(), bound->size()) == 0);
  const auto peer = peer_address(client.value());
  REQUIRE(peer);
  CHECK(*peer == *bound);
}

TEST_CASE("address: of an abstract socket the kernel gave a name to", "[net]") {
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const Address wanted = parsed("@perilune-test-" + std::to_string(getpid()));
  REQUIRE(bind(fd.value(), wanted.data(), wanted.size()) == 0);
  const auto bound = local_address(fd.value());
  REQUIRE(bound);
  CHECK(*bound == wanted);
  CHECK(peer_address(fd.value()).error().message ==
        "getpeername: Transport endpoint is not connected");
}
