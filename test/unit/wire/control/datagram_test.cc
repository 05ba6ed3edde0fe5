#include "wire/control/datagram.hh"

#include <string>
#include <utility>
#include <vector>

#include "support/catch.hh"
#include "support/hex.hh"

namespace perilune::wire::control {

namespace {

using test::from_hex;
using Commands = std::vector<std::pair<int, std::string>>;

struct Read {
  Commands commands;
  std::string mistake;
};

Read read(Bytes datagram) {
  Read read;
  Reader reader{datagram};
  while (const auto command = reader.next()) {
    read.commands.emplace_back(static_cast<int>(command->number), as_text(command->payload));
  }
  if (reader.mistake() != nullptr) read.mistake = reader.mistake();
  return read;
}

}  // namespace

TEST_CASE("control datagram: beng-proxy's bytes", "[wire][control]") {
  Buffer fade = make_datagram();
  append_command(fade, Number::FadeChildren, as_bytes("foo"));
  CHECK(fade == from_hex("63046101 0003 0008 666f6f00"));
  Buffer cancel = make_datagram();
  append_command(cancel, Number::CancelJob, as_bytes(std::string_view("p\0j", 3)));
  CHECK(cancel == from_hex("63046101 0003 0019 70006a00"));
}

TEST_CASE("control datagram: commands are read one after the other", "[wire][control]") {
  Buffer datagram = make_datagram();
  append_command(datagram, Number::DisconnectDatabase, as_bytes("anna"));
  append_command(datagram, Number::DisconnectDatabase, {});
  append_command(datagram, static_cast<Number>(999), as_bytes("12345"));
  const Read all = read(datagram);
  CHECK(all.commands == Commands{{20, "anna"}, {20, ""}, {999, "12345"}});
  CHECK(all.mistake.empty());
}

TEST_CASE("control datagram: the padding may be anything", "[wire][control]") {
  const Read all = read(from_hex("63046101 0003 0014 666f6f20 0001 0014 61ffffff"));
  CHECK(all.commands == Commands{{20, "foo"}, {20, "a"}});
}

TEST_CASE("control datagram: without commands it is valid", "[wire][control]") {
  CHECK(read(from_hex("63046101")).mistake.empty());
}

TEST_CASE("control datagram: mistakes are named", "[wire][control]") {
  CHECK(read({}).mistake == "wrong magic");
  CHECK(read(from_hex("630461")).mistake == "wrong magic");
  CHECK(read(from_hex("63046102 0000 0014")).mistake == "wrong magic");
  CHECK(read(from_hex("63046101 0000 00")).mistake == "odd control packet");
  CHECK(read(from_hex("63046101 0001 0014")).mistake == "partial payload");
  CHECK(read(from_hex("63046101 ffff 0014 61616161")).mistake == "partial payload");
}

TEST_CASE("control datagram: what comes before a mistake counts", "[wire][control]") {
  const Read some = read(from_hex("63046101 0001 0014 61000000 0005 0014 61616161"));
  CHECK(some.commands == Commands{{20, "a"}});
  CHECK(some.mistake == "partial payload");
}

TEST_CASE("control datagram: every truncation", "[wire][control]") {
  Buffer whole = make_datagram();
  append_command(whole, Number::DisconnectDatabase, as_bytes("anna"));
  append_command(whole, Number::DisconnectDatabase, as_bytes("berta"));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Read some = read(Bytes{whole}.first(size));
    const bool at_a_border = size == 4 || size == 12;
    CHECK(some.mistake.empty() == at_a_border);
    CHECK(some.commands.size() == (size % 4 == 0 && size >= 12 ? 1 : 0));
  }
}

TEST_CASE("control datagram: payloads of every size come back", "[wire][control]") {
  for (const std::size_t size : {0, 1, 2, 3, 4, 5, 1000, 65535}) {
    Buffer datagram = make_datagram();
    const std::string payload(size, 'x');
    append_command(datagram, Number::TarpitClient, as_bytes(payload));
    CHECK(datagram.size() % 4 == 0);
    CHECK(read(datagram).commands == Commands{{24, payload}});
  }
}

}  // namespace perilune::wire::control
