#include <array>
#include <string>

#include "support/catch.hh"
#include "support/hex.hh"
#include "unit/wire/mysql/proxy_simulation.hh"
#include "wire/mysql/framing.hh"

using namespace perilune;
using namespace perilune::test;
using namespace perilune::wire;
using namespace perilune::wire::mysql;

namespace {

const Buffer& marker() {
  static const Buffer ok = from_hex("07 00 00 01 00 00 00 02 00 00 00");
  return ok;
}

std::array<Replay, 4> ways() {
  std::array<Replay, 4> all;
  all[1].pipeline = true;
  all[2].intercept = true;
  all[3].intercept = all[3].pipeline = true;
  for (Replay& replay : all) replay.marker = marker();
  return all;
}

// What went wrong; empty: nothing.
std::string trouble(const RecordedSession& session, const Replay& replay) {
  try {
    ProxySimulation{session, replay}.run();
    return {};
  } catch (const std::exception& error) {
    return error.what();
  }
}

void check(const RecordedSession& session, const Replay& replay) {
  CAPTURE(session.name, replay.intercept, replay.pipeline, replay.client.at, replay.client.every,
          replay.server.at, replay.server.every);
  REQUIRE(trouble(session, replay) == "");
}

std::size_t stream_size(const RecordedSession& session, bool client) {
  std::size_t size = 0;
  for (const RecordedCommand& command : session.commands) {
    for (const Part& part : command.parts)
      size += part.from_client == client ? part.bytes.size() : 0;
  }
  return size;
}

void check_cut_everywhere(const RecordedSession& session, Replay replay) {
  for (std::size_t at = 0; at < stream_size(session, true); ++at) {
    replay.client.at = {at};
    check(session, replay);
  }
  replay.client.at.clear();
  for (std::size_t at = 0; at < stream_size(session, false); ++at) {
    replay.server.at = {at};
    check(session, replay);
  }
}

// Sessions too big to be stored.

Buffer filled(std::size_t size, std::uint8_t first) {
  Buffer payload(size, std::byte{'x'});
  if (size > 0) payload.front() = static_cast<std::byte>(first);
  return payload;
}

Part part(bool from_client, const Buffer& payload, std::uint8_t& sequence) {
  Part made{from_client, {}};
  append_packets(made.bytes, payload, sequence);
  return made;
}

void add(Part& part, const Buffer& payload, std::uint8_t& sequence) {
  append_packets(part.bytes, payload, sequence);
}

RecordedCommand big_query(std::size_t command_size, std::size_t row_size) {
  RecordedCommand command;
  std::uint8_t sequence = 0;
  command.parts.push_back(part(true, filled(command_size, 3), sequence));
  Part answer = part(false, from_hex("01"), sequence);
  add(answer, filled(30, 3), sequence);
  add(answer, filled(row_size, 0xFE), sequence);  // a row whose first column has 8 bytes of length
  add(answer, from_hex("03 61 62 63"), sequence);
  add(answer, from_hex("fe 00 00 02 00 00 00"), sequence);
  command.parts.push_back(answer);
  return command;
}

RecordedCommand big_file(std::size_t chunk, std::size_t count) {
  RecordedCommand command;
  std::uint8_t sequence = 0;
  command.parts.push_back(part(true, filled(20, 3), sequence));
  command.parts.push_back(part(false, filled(5, 0xFB), sequence));
  Part file{true, {}};
  for (std::size_t i = 0; i < count; ++i) add(file, filled(chunk, 'a'), sequence);
  add(file, {}, sequence);
  command.parts.push_back(file);
  command.parts.push_back(part(false, from_hex("00 00 00 02 00 00 00"), sequence));
  return command;
}

RecordedCommand ping() {
  return {
      false,
      {{true, from_hex("01 00 00 00 0e")}, {false, from_hex("07 00 00 01 00 00 00 02 00 00 00")}}};
}

// At this distance from where each packet begins.
Cut cut_at_packets(const RecordedSession& session, bool client, std::size_t distance) {
  Cut cut;
  std::size_t offset = 0;
  for (const RecordedCommand& command : session.commands) {
    for (const Part& part : command.parts) {
      if (part.from_client != client) continue;
      std::size_t at = 0;
      while (at < part.bytes.size()) {
        cut.at.push_back(offset + at + distance);
        at += kHeaderSize + decode_header(Bytes{part.bytes}.subspan(at)).length;
      }
      offset += part.bytes.size();
    }
  }
  return cut;
}

void check_cut_at_packets(const RecordedSession& session, const Replay& way) {
  check(session, way);
  for (std::size_t distance = 0; distance <= 6; ++distance) {
    Replay replay = way;
    replay.client = cut_at_packets(session, true, distance);
    replay.server = cut_at_packets(session, false, distance);
    check(session, replay);
  }
}

}  // namespace

TEST_CASE("mysql replay: recorded sessions in whole pieces", "[wire][mysql]") {
  const auto sessions = recorded_sessions();
  CHECK(sessions.size() >= 26);
  for (const RecordedSession& session : sessions) {
    for (const Replay& replay : ways()) check(session, replay);
  }
}

TEST_CASE("mysql replay: recorded sessions byte by byte", "[wire][mysql]") {
  for (const RecordedSession& session : recorded_sessions()) {
    for (Replay replay : ways()) {
      replay.client.every = replay.server.every = 1;
      check(session, replay);
    }
  }
}

TEST_CASE("mysql replay: recorded sessions in small pieces", "[wire][mysql]") {
  for (const RecordedSession& session : recorded_sessions()) {
    for (Replay replay : ways()) {
      for (std::size_t size = 2; size < 40; ++size) {
        replay.client.every = size;
        replay.server.every = size % 7 + 3;
        check(session, replay);
      }
    }
  }
}

TEST_CASE("mysql replay: recorded sessions cut at every byte", "[wire][mysql]") {
  for (const RecordedSession& session : recorded_sessions()) {
    for (const Replay& replay : ways()) check_cut_everywhere(session, replay);
  }
}

TEST_CASE("mysql replay: payloads of 16 MiB and their multiples", "[wire][mysql]") {
  RecordedSession session;
  session.name = "big";
  session.capabilities = capability::kProtocol41 | capability::kDeprecateEof;
  const std::size_t extra = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{kMaxPacket});
  session.commands = {big_query(kMaxPacket + extra, kMaxPacket + extra), ping()};
  check_cut_at_packets(session, ways().front());
  check_cut_at_packets(session, ways().back());
}

TEST_CASE("mysql replay: a row of 16 MiB less one is one packet", "[wire][mysql]") {
  RecordedSession session;
  session.name = "just below";
  session.capabilities = capability::kProtocol41;
  RecordedCommand command = big_query(kMaxPacket - 1, 9);
  // Without DEPRECATE_EOF: an EOF packet behind the definitions and the rows.
  std::uint8_t sequence = 1;
  command.parts.at(1) = part(false, from_hex("01"), sequence);
  add(command.parts.at(1), filled(30, 3), sequence);
  add(command.parts.at(1), from_hex("fe 00 00 02 00"), sequence);
  add(command.parts.at(1), filled(kMaxPacket - 1, 0xFE), sequence);
  add(command.parts.at(1), from_hex("fe 00 00 02 00"), sequence);
  session.commands = {command, ping()};
  check_cut_at_packets(session, ways().front());
  check_cut_at_packets(session, ways().back());
}

TEST_CASE("mysql replay: local files of big and of many packets", "[wire][mysql]") {
  RecordedSession session;
  session.name = "files";
  session.capabilities = capability::kProtocol41 | capability::kDeprecateEof;
  // 300 packets: the numbers pass 0, which alone does not make a command.
  session.commands = {big_file(kMaxPacket, 1),     ping(), big_file(7, 300), ping(),
                      big_file(kMaxPacket + 1, 2), ping()};
  check_cut_at_packets(session, ways().front());
  check_cut_at_packets(session, ways().back());
}
