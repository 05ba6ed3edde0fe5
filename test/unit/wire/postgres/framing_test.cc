#include "wire/postgres/framing.hh"

#include <algorithm>
#include <string>

#include "support/catch.hh"
#include "support/hex.hh"

using namespace perilune;
using namespace perilune::test;
using namespace perilune::wire::postgres;

TEST_CASE("postgres framing: a header", "[wire][postgres]") {
  const MessageHeader header = decode_header(from_hex("44 01 02 03 04"));
  CHECK(header.tag == 'D');
  CHECK(header.length == 0x01020304);
  CHECK(header.body() == 0x01020300);
}

TEST_CASE("postgres framing: lengths that no message has", "[wire][postgres]") {
  CHECK(MessageHeader{'D', 4}.is_plausible());
  CHECK(MessageHeader{'D', kMaxLength}.is_plausible());
  CHECK_FALSE(MessageHeader{'D', 0}.is_plausible());
  CHECK_FALSE(MessageHeader{'D', 3}.is_plausible());
  CHECK_FALSE(MessageHeader{'D', kMaxLength + 1}.is_plausible());
  CHECK_FALSE(MessageHeader{'D', 0xFFFFFFFF}.is_plausible());
}

TEST_CASE("postgres framing: the message at the front of a buffer", "[wire][postgres]") {
  const Buffer bytes = from_hex("51 00000006 6100 53 00000004");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CAPTURE(size);
    const auto message = front_message(Bytes{bytes}.first(size), 100);
    REQUIRE(message);
    CHECK(message->complete == (size >= 7));
    CHECK(message->size == (size >= kHeaderSize ? 7U : 0U));
    if (message->complete) CHECK(as_text(message->body) == std::string_view("a\0", 2));
  }
}

TEST_CASE("postgres framing: a lie or too much is seen in the header", "[wire][postgres]") {
  CHECK_FALSE(front_message(from_hex("51 00000003"), 100));
  CHECK_FALSE(front_message(from_hex("51 ffffffff"), 100));
  CHECK_FALSE(front_message(from_hex("51 00000069"), 100));
  CHECK(front_message(from_hex("51 00000068"), 100));
}

TEST_CASE("postgres framing: a writer puts the length in", "[wire][postgres]") {
  Buffer out = from_hex("00");
  MessageWriter message{out, BackendTag::ReadyForQuery};
  append(message.body(), from_hex("49"));
  message.end();
  append_message(out, FrontendTag::Sync);
  CHECK(out == from_hex("00 5a 00000005 49 53 00000004"));
}

TEST_CASE("postgres framing: a position over pieces of any size", "[wire][postgres]") {
  const Buffer bytes = from_hex("44 00000007 010203 43 00000004 5a 00000005 49");
  for (std::size_t size = 1; size <= bytes.size(); ++size) {
    CAPTURE(size);
    MessagePosition position;
    std::string tags;
    Bytes left = bytes;
    while (!left.empty()) {
      Bytes piece = left.first(std::min(size, left.size()));
      left = left.subspan(piece.size());
      while (!piece.empty()) {
        if (position.in_body()) {
          piece = piece.subspan(position.pass_body(piece.size()));
          continue;
        }
        const auto part = position.gather_header(piece);
        piece = piece.subspan(part.taken);
        if (!part.complete) continue;
        tags.push_back(static_cast<char>(part.header.tag));
        position.enter(part.header);
      }
    }
    CHECK(tags == "DCZ");
    CHECK(position.between_messages());
  }
}
