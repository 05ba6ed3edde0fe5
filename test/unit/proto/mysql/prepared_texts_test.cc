#include "proto/mysql/prepared_texts.hh"

#include <string>

#include "support/catch.hh"
#include "support/hex.hh"

using namespace perilune;
using namespace perilune::proto::mysql;

namespace {

constexpr std::uint32_t kLast = 0xFFFFFFFFU;
constexpr std::size_t kMost = 64 * 1024;

void prepare(PreparedTexts& texts, std::uint32_t id, std::string_view text,
             std::uint16_t count = 1) {
  texts.enter(id, count, texts.begin(text, text.size()));
}

// "COM_STMT_SEND_LONG_DATA" for the statement 7.
void send_long(PreparedTexts& texts, std::string_view data, std::size_t most = kMost) {
  Buffer payload = test::from_hex("18 07 00 00 00 02 00");
  append(payload, as_bytes(data));
  texts.add_long_data(payload, payload.size(), most);
}

}  // namespace

TEST_CASE("prepared texts: a number names what was prepared last under it", "[proto][mysql]") {
  PreparedTexts texts;
  CHECK(texts.find(7) == nullptr);
  prepare(texts, 7, "SELECT 1");
  REQUIRE(texts.find(7));
  CHECK(texts.find(7)->text == "SELECT 1");
  prepare(texts, 7, "SELECT 2");
  CHECK(texts.find(7)->text == "SELECT 2");
  texts.close(7);
  CHECK(texts.find(7) == nullptr);
  CHECK(texts.used() == 0);
}

TEST_CASE("prepared texts: the last one has a number of its own, also before its answer",
          "[proto][mysql]") {
  PreparedTexts texts;
  CHECK(texts.find(kLast) == nullptr);
  const auto prepared = texts.begin("SELECT 1", 8);
  CHECK(texts.find(kLast) == prepared);
  texts.close(kLast);
  texts.enter(7, 0, prepared);
  CHECK(texts.find(7) == nullptr);
  prepare(texts, 8, "SELECT 2");
  texts.close(kLast);
  CHECK(texts.find(8) == nullptr);
  CHECK(texts.used() == 0);
}

TEST_CASE("prepared texts: long data is taken once, and cut", "[proto][mysql]") {
  PreparedTexts texts;
  send_long(texts, "nobody's");
  CHECK(texts.used() == 0);
  prepare(texts, 7, "SELECT ?");
  const std::size_t before = texts.used();
  send_long(texts, "ab");
  send_long(texts, "cd");
  auto& prepared = *texts.find(7);
  CHECK_FALSE(prepared.cuts_long_data);
  CHECK(texts.take_long_data(prepared) == PreparedTexts::LongData{{2, "abcd"}});
  CHECK(texts.take_long_data(prepared).empty());
  send_long(texts, "abcdef", 4);
  CHECK(prepared.cuts_long_data);
  CHECK(texts.take_long_data(prepared).at(2) == "abcd");
  CHECK(texts.used() == before);
}

TEST_CASE("prepared texts: what is kept for a session is bounded", "[proto][mysql]") {
  PreparedTexts texts;
  const std::string text(kMost, 'x');
  for (std::uint32_t id = 1; id < 1000; ++id) prepare(texts, id, text);
  CHECK(texts.used() <= PreparedTexts::kMostBytes);
  REQUIRE(texts.find(1));
  CHECK(texts.find(1)->text == text);
  CHECK(texts.find(999) == nullptr);
  for (std::uint32_t id = 1; id < 1000; ++id) texts.close(id);
  CHECK(texts.used() == 0);
  prepare(texts, 5000, text, 65535);
  CHECK(texts.used() >= text.size() + 65535 * 2);
  texts.clear();
  CHECK(texts.used() == 0);
  CHECK(texts.find(5000) == nullptr);
}
