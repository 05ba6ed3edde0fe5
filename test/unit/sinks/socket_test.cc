#include <netinet/in.h>

#include <cerrno>
#include <cstring>

#include "support/catch.hh"
#include "unit/sinks/collector.hh"
#include "util/error.hh"

using namespace perilune;
using namespace perilune::test;
using Options = log::QueryLogOptions;
using Where = Options::Where;

namespace {

std::unique_ptr<log::Sink> open(Where where, std::string target, Options::Type type) {
  Options options = options_for(where, std::move(target));
  options.type = type;
  return sinks::make_sink(options);
}

}  // namespace

TEST_CASE("log socket: a stream gets the items one behind the other", "[sinks]") {
  const Folder folder;
  const Collector collector{folder / "s", SOCK_STREAM};
  const auto sink = open(Where::Socket, folder / "s", Options::Type::Stream);
  const auto outcome = sink->write(Items{}.add("one\n").add("two\n"));
  CHECK(outcome.done == 2);
  CHECK(outcome.bytes == 8);
  CHECK(receive(collector.accept()) == "one\ntwo\n");
}

TEST_CASE("log socket: nobody there is an error that loses nothing", "[sinks]") {
  const Folder folder;
  const auto sink = open(Where::Socket, folder / "s", Options::Type::Stream);
  const Items items = std::move(Items{}.add("one\n"));
  CHECK(sink->write(items).error == ENOENT);
  const Collector collector{folder / "s", SOCK_STREAM};
  CHECK(sink->write(items).done == 1);
  CHECK(receive(collector.accept()) == "one\n");
}

TEST_CASE("log socket: a peer that has left is left, and the next one gets the item", "[sinks]") {
  const Folder folder;
  const Collector collector{folder / "s", SOCK_STREAM};
  const auto sink = open(Where::Socket, folder / "s", Options::Type::Stream);
  CHECK(sink->write(Items{}.add("one\n")).done == 1);
  CHECK(receive(collector.accept()) == "one\n");
  const auto outcome = sink->write(Items{}.add("two\n"));
  CHECK(outcome.done == 1);
  CHECK(outcome.error == 0);
  CHECK(receive(collector.accept()) == "two\n");
}

TEST_CASE("log socket: an item that was under way is sent again from its beginning", "[sinks]") {
  const Folder folder;
  const Collector collector{folder / "s", SOCK_STREAM};
  const auto sink = open(Where::Socket, folder / "s", Options::Type::Stream);
  const std::string large(4 << 20, 'x');
  const Items items = std::move(Items{}.add(large));
  const auto begun = sink->write(items);
  CHECK(begun.done == 0);
  CHECK(begun.bytes > 0);
  std::vector<pollfd> polled;
  sink->wait_for(polled);
  REQUIRE(polled.size() == 1);
  CHECK(::poll(polled.data(), 1, 0) == 0);
  { const UniqueFd slow = collector.accept(); }
  std::string got;
  log::Sink::Outcome outcome = sink->write(items);
  const UniqueFd next = collector.accept();
  REQUIRE(next);
  while (got.size() < large.size()) {
    got += receive(next);
    if (outcome.done == 0) outcome = sink->write(items);
  }
  CHECK(got == large);
}

TEST_CASE("log socket: each item is a datagram; one that fits none is lost", "[sinks]") {
  const Folder folder;
  const Collector collector{folder / "s", SOCK_DGRAM};
  const auto sink = open(Where::Socket, folder / "s", Options::Type::Datagram);
  const auto outcome = sink->write(Items{}.add("one").add(std::string(8 << 20, 'x')).add("two"));
  CHECK(outcome.done == 3);
  CHECK(outcome.lost == 1);
  CHECK(outcome.bytes == 6);
  const UniqueFd socket{::dup(collector.fd())};
  CHECK(receive(socket) == "one");
  CHECK(receive(socket) == "two");
}

TEST_CASE("log socket: a collector that takes no more datagrams is waited for", "[sinks]") {
  const Folder folder;
  const Collector collector{folder / "s", SOCK_DGRAM};
  const auto sink = open(Where::Socket, folder / "s", Options::Type::Datagram);
  Items items;
  for (int i = 0; i < 5000; ++i) items.add(std::string(100, 'x'));
  const auto outcome = sink->write(items);
  CHECK(outcome.done < items.size());
  CHECK(outcome.lost == 0);
  CHECK(outcome.error == 0);
}

TEST_CASE("log syslog: by TCP with octet counting, by UDP as they are", "[sinks]") {
  const net::Address any = net::Address::ipv4({htonl(INADDR_LOOPBACK)}, 0);
  const UniqueFd tcp{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const UniqueFd udp{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  for (const UniqueFd* socket : {&tcp, &udp}) {
    REQUIRE(::bind(socket->value(), any.data(), any.size()) == 0);
  }
  REQUIRE(::listen(tcp.value(), 1) == 0);
  const Items items = std::move(Items{}.add("<134>1 one").add("<134>1 and two"));
  const auto stream =
      open(Where::Syslog, net::local_address(tcp.value())->text(), Options::Type::Stream);
  CHECK(write_all(*stream, items).done == 2);
  const UniqueFd accepted{::accept(tcp.value(), nullptr, nullptr)};
  CHECK(receive(accepted) == "10 <134>1 one14 <134>1 and two");
  const auto datagrams =
      open(Where::Syslog, net::local_address(udp.value())->text(), Options::Type::Datagram);
  CHECK(write_all(*datagrams, items).done == 2);
  CHECK(receive(udp) == "<134>1 one");
  CHECK(receive(udp) == "<134>1 and two");
}

TEST_CASE("log journal: what is too large for a datagram comes as a sealed file", "[sinks]") {
  const Folder folder;
  const Collector collector{folder / "s", SOCK_DGRAM};
  const auto sink = open(Where::Journal, folder / "s", Options::Type::Stream);
  const std::string large = "MESSAGE=" + std::string(4 << 20, 'x') + "\n";
  const auto outcome = sink->write(Items{}.add("MESSAGE=small\n").add(large));
  CHECK(outcome.done == 2);
  CHECK(outcome.lost == 0);
  CHECK(receive(UniqueFd{::dup(collector.fd())}) == "MESSAGE=small\n");
  char byte = 0;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
  iovec into{&byte, 1};
  msghdr message{};
  message.msg_iov = &into;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  REQUIRE(::recvmsg(collector.fd(), &message, MSG_CMSG_CLOEXEC) == 0);
  REQUIRE(CMSG_FIRSTHDR(&message) != nullptr);
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  const UniqueFd file{fd};
  CHECK((::fcntl(fd, F_GET_SEALS) & F_SEAL_WRITE) != 0);
  std::string got(large.size() + 1, '\0');
  const ssize_t size = ::pread(fd, got.data(), got.size(), 0);
  CHECK(got.substr(0, static_cast<std::size_t>(std::max<ssize_t>(size, 0))) == large);
}

TEST_CASE("log sockets: an address that is none fails the load", "[sinks]") {
  CHECK_THROWS_AS(open(Where::Socket, "example.com:99", Options::Type::Stream), ConfigError);
  CHECK_THROWS_AS(open(Where::Syslog, "nonsense:", Options::Type::Datagram), ConfigError);
}
