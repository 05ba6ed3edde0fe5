#include "util/text.hh"

#include "support/catch.hh"

using namespace perilune;
using namespace std::string_literals;

TEST_CASE("quoted: plain text and UTF-8 stay as they are", "[util]") {
  CHECK(quoted("") == "\"\"");
  CHECK(quoted("anna") == "\"anna\"");
  CHECK(quoted("Zoë €5 🙂") == "\"Zoë €5 🙂\"");
  CHECK(quoted("it's") == "\"it's\"");
}

TEST_CASE("quoted: nothing ends the line, the quotes or the escape", "[util]") {
  CHECK(quoted("a\nb\r\tc") == R"("a\nb\r\tc")");
  CHECK(quoted(R"(say "x\y")") == R"("say \"x\\y\"")");
  CHECK(perilune::quoted("\0\x01\x1b[31m\x7f"s) == R"("\x00\x01\x1b[31m\x7f")");
}

TEST_CASE("quoted: invisible characters that lie are shown", "[util]") {
  CHECK(quoted("\u0085") == R"("\xc2\x85")");                       // C1 next line
  CHECK(quoted("\u2028") == R"("\xe2\x80\xa8")");                   // line separator
  CHECK(quoted("a\u202Eb") == R"("a\xe2\x80\xaeb")");               // right-to-left override
  CHECK(quoted("\u2066") == R"("\xe2\x81\xa6")");                   // isolate
  CHECK(quoted("\u00A0\u2027\u202F") == "\"\u00A0\u2027\u202F\"");  // their neighbours
}

TEST_CASE("quoted: bytes that are not UTF-8", "[util]") {
  CHECK(quoted("\xff\xfe") == R"("\xff\xfe")");
  CHECK(quoted("\x80z") == R"("\x80z")");                        // continuation alone
  CHECK(quoted("\xc3") == R"("\xc3")");                          // truncated
  CHECK(quoted("\xe2\x82") == R"("\xe2\x82")");                  // truncated
  CHECK(quoted("\xc3(") == R"("\xc3(")");                        // lead without continuation
  CHECK(quoted("\xc0\x8a") == R"("\xc0\x8a")");                  // overlong line feed
  CHECK(quoted("\xe0\x80\x8a") == R"("\xe0\x80\x8a")");          // overlong line feed
  CHECK(quoted("\xed\xa0\x80") == R"("\xed\xa0\x80")");          // surrogate
  CHECK(quoted("\xf4\x90\x80\x80") == R"("\xf4\x90\x80\x80")");  // beyond U+10FFFF
  CHECK(quoted("\xf0\x8f\xbf\xbf") == R"("\xf0\x8f\xbf\xbf")");  // overlong
}

TEST_CASE("quoted: long text is cut between characters and says so", "[util]") {
  CHECK(quoted("abcdef", 6) == "\"abcdef\"");
  CHECK(quoted("abcdefg", 6) == "\"abcdef\"...(7 bytes)");
  CHECK(quoted("ab€", 4) == "\"ab\"...(5 bytes)");
  CHECK(quoted("x", 0) == "\"\"...(1 bytes)");
  CHECK(perilune::quoted(std::string(1'000'000, '\x01')).size() == 2 + 4 * kMaxQuotedBytes + 18);
}

TEST_CASE("append_escaped: the same without quotes, which then need no escape", "[util]") {
  std::string out = "x ";
  append_escaped(out, "a \"b\"\n");
  CHECK(out == "x a \"b\"\\n");
  append_escaped(out, "abcdef", 2);
  CHECK(out == "x a \"b\"\\nab...(6 bytes)");
}

TEST_CASE("is_utf8: whole characters of RFC 3629 alone", "[util]") {
  CHECK(is_utf8(""));
  CHECK(is_utf8(std::string_view{"a\0b\x7f", 4}));
  CHECK(is_utf8("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
  CHECK_FALSE(is_utf8("a\xff"));
  CHECK_FALSE(is_utf8("\xe2\x82"));
  CHECK_FALSE(is_utf8("\xc0\x80"));
  CHECK_FALSE(is_utf8("\xed\xa0\x80"));
}

TEST_CASE("plain_beginning: every byte at every place", "[util]") {
  constexpr std::string_view kAround = "ABCxyz 0123456789~!";
  for (int value = 0; value < 256; ++value) {
    const char byte = static_cast<char>(value);
    for (std::size_t at = 0; at <= kAround.size(); ++at) {
      std::string text{kAround};
      text.insert(at, 1, byte);
      const bool is_plain = value >= 0x20 && value < 0x7F && byte != '\\' && byte != '"';
      const std::size_t expected = is_plain ? text.size() : at;
      if (plain_beginning(text, '"') != expected) FAIL_CHECK("byte " << value << " at " << at);
    }
  }
  CHECK(plain_beginning("say \"x\"", 0) == 7);
  CHECK(plain_beginning("say \"x\"", '"') == 4);
  CHECK(plain_beginning("", 0) == 0);
}
