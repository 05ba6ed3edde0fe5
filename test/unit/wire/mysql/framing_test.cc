#include "wire/mysql/framing.hh"

#include <vector>

#include "support/catch.hh"
#include "support/hex.hh"

using namespace perilune;
using namespace perilune::wire::mysql;
using perilune::test::from_hex;

namespace {

// The headers of consecutive packets; they must fill `bytes` exactly.
std::vector<PacketHeader> headers_in(Bytes bytes) {
  std::vector<PacketHeader> headers;
  while (!bytes.empty()) {
    REQUIRE(bytes.size() >= kHeaderSize);
    headers.push_back(decode_header(bytes));
    REQUIRE(bytes.size() >= kHeaderSize + headers.back().length);
    bytes = bytes.subspan(kHeaderSize + headers.back().length);
  }
  return headers;
}

}  // namespace

TEST_CASE("mysql framing: a header is a length and a number", "[wire][mysql]") {
  const Buffer bytes = from_hex("03 02 01 07");
  CHECK(decode_header(bytes).length == 0x010203);
  CHECK(decode_header(bytes).sequence == 7);
  const auto encoded = encode_header({0x010203, 7});
  CHECK(Buffer(encoded.begin(), encoded.end()) == bytes);
}

TEST_CASE("mysql framing: small payloads are one packet, empty ones too", "[wire][mysql]") {
  Buffer out;
  std::uint8_t sequence = 255;
  append_packets(out, from_hex("61 62"), sequence);
  CHECK(sequence == 0);
  append_packets(out, {}, sequence);
  CHECK(sequence == 1);
  CHECK(out == from_hex("02 00 00 ff 61 62 00 00 00 00"));
}

TEST_CASE("mysql framing: big payloads are split, multiples end in an empty packet",
          "[wire][mysql]") {
  using Case = std::pair<std::size_t, std::vector<std::uint32_t>>;
  const auto [size, lengths] =
      GENERATE(Case{kMaxPacket - 1, {kMaxPacket - 1}}, Case{kMaxPacket, {kMaxPacket, 0}},
               Case{kMaxPacket + 1, {kMaxPacket, 1}},
               Case{2 * std::size_t{kMaxPacket}, {kMaxPacket, kMaxPacket, 0}});
  Buffer out;
  std::uint8_t sequence = 3;
  append_packets(out, Buffer(size), sequence);
  const auto headers = headers_in(out);
  REQUIRE(headers.size() == lengths.size());
  for (std::size_t i = 0; i < headers.size(); ++i) {
    CHECK(headers[i].length == lengths[i]);
    CHECK(headers[i].sequence == 3 + i);
  }
  CHECK(sequence == 3 + headers.size());
}
