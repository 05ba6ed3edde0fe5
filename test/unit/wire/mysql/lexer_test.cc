#include "wire/mysql/lexer.hh"

#include <string>
#include <vector>

#include "support/catch.hh"

using namespace perilune;
using namespace perilune::wire::mysql;

namespace {

// One letter a kind: w word, n quoted name, s string, 1 number, ? parameter, v and V variables,
// the character of a symbol, ! what is unfinished.
char letter(const Token& token) {
  switch (token.kind) {
    case TokenKind::End:
      return '.';
    case TokenKind::Word:
      return 'w';
    case TokenKind::QuotedName:
      return 'n';
    case TokenKind::String:
      return 's';
    case TokenKind::Number:
      return '1';
    case TokenKind::Parameter:
      return '?';
    case TokenKind::UserVariable:
      return 'v';
    case TokenKind::SystemVariable:
      return 'V';
    case TokenKind::Symbol:
      return token.text.front();
    case TokenKind::Unfinished:
      return '!';
  }
  return '\0';
}

std::vector<Token> tokens(std::string_view sql, bool backslash_escapes = true) {
  Lexer lexer{sql, backslash_escapes};
  std::vector<Token> all;
  for (Token token = lexer.next(); token.kind != TokenKind::End; token = lexer.next()) {
    all.push_back(token);
    if (token.kind == TokenKind::Unfinished) break;
  }
  return all;
}

std::string kinds(std::string_view sql, bool backslash_escapes = true) {
  std::string text;
  for (const Token& token : tokens(sql, backslash_escapes)) text.push_back(letter(token));
  return text;
}

std::string words(std::string_view sql) {
  std::string text;
  for (const Token& token : tokens(sql)) text.append(token.text).append("|");
  return text;
}

struct Example {
  std::string_view sql;
  std::string_view kinds;
};

constexpr Example kExamples[] = {
    {"", ""},
    {" \t\r\n\f\v", ""},
    {"select a, b$1, h\xC3\xA9 from `t` where x='y'", "ww,w,wwnww=s"},
    {"1 12.5 .5 5. 1e5 1E-5 2.5e+3 0x1F 0b01", "111111111"},
    {"1a 0xg 1e 0X1F 2eb", "wwwww"},
    {"a.b t.5", "w.ww1"},
    {"'it''s' 'it\\'s' \"a\"\"b\" '' \"\"", "sssss"},
    {"`a``b` ``", "nn"},
    {"`a\\` b", "nw"},
    {"? '?' `?` \"?\" /* ? */ ? -- ?", "?sns?"},
    {"@a @a.b @'x y' @`q` @ a", "vvvv@w"},
    {"@@a @@global.b @@`c` @@session.`d` @@ a @@e.", "VVVV@wV"},
    {"a := @b", "w:=v"},
    {"a--b a-- b", "w--ww"},
    {"a --\nb", "ww"},
    {"a --", "w"},
    {"a # b ' \n c", "ww"},
    {"a/* b */c", "ww"},
    {"a /**/ b /***/ c", "www"},
    {"/*! a */ b", "ww"},
    {"/*!50100 a */ /*!100100 b*/ /*!1 c*/", "ww1w"},
    {"/*M! a */ /*M!100100 b */", "ww"},
    {"/*! a /* b */ c */ d", "www"},
    {"a */ b", "w*/w"},
    {"a * / b", "w*/w"},
    {"x'41' N'a' _utf8'b'", "wswsws"},
    {std::string_view{"a\0b", 3}, std::string_view{"w\0w", 3}},
    {"'abc", "!"},
    {"a \"b\"\"", "w!"},
    {"a `b", "w!"},
    {"a 'b\\", "w!"},
    {"a 'b\\'", "w!"},
    {"a @'b", "w!"},
    {"a @@`b", "w!"},
    {"a @@b.`c", "w!"},
    {"a /* b", "w!"},
    {"a /*", "w!"},
    {"a /*/", "w!"},
    {"a /*! b", "ww!"},
    {"a /*!", "w!"},
};

}  // namespace

TEST_CASE("mysql lexer: kinds of tokens", "[wire][mysql]") {
  for (const Example& example : kExamples) {
    CAPTURE(example.sql);
    CHECK(kinds(example.sql) == example.kinds);
  }
}

TEST_CASE("mysql lexer: tokens are pieces of the text, in order", "[wire][mysql]") {
  for (const Example& example : kExamples) {
    for (std::size_t n = 0; n <= example.sql.size(); ++n) {
      const std::string copy{example.sql.substr(0, n)};  // of its own size: nothing to read behind
      CAPTURE(copy);
      std::size_t end = 0;
      for (const Token& token : tokens(copy)) {
        CHECK(token.offset >= end);
        CHECK(token.text == std::string_view{copy}.substr(token.offset, token.text.size()));
        end = token.offset + token.text.size();
      }
      CHECK(end <= copy.size());
    }
  }
}

TEST_CASE("mysql lexer: nothing follows the end", "[wire][mysql]") {
  Lexer unfinished{"a 'b"};
  unfinished.next();
  CHECK(unfinished.next().kind == TokenKind::Unfinished);
  CHECK(unfinished.next().kind == TokenKind::End);
  Lexer code{"/*! a"};
  code.next();
  CHECK(code.next().kind == TokenKind::Unfinished);
  CHECK(code.next().kind == TokenKind::End);
  Lexer whole{"a"};
  whole.next();
  CHECK(whole.next().kind == TokenKind::End);
  CHECK(whole.next().kind == TokenKind::End);
}

TEST_CASE("mysql lexer: the texts of tokens", "[wire][mysql]") {
  CHECK(words("a.b1 12.5e-3+x") == "a|.|b1|12.5e-3|+|x|");
  CHECK(words("@@global.max @x.y 'a''b'") == "@@global.max|@x.y|'a''b'|");
  CHECK(words("/*!50100 kill*/ 5;") == "kill|5|;|");
  CHECK(words("1e+ 2e-x") == "1e|+|2e|-|x|");
}

TEST_CASE("mysql lexer: without backslash escapes", "[wire][mysql]") {
  CHECK(kinds("'a\\' b", false) == "sw");
  CHECK(kinds("'a\\'' b", false) == "!");
  CHECK(kinds("'a\\' b", true) == "!");
}

TEST_CASE("mysql lexer: texts without their quotes", "[wire][mysql]") {
  const auto plain = [](std::string_view sql, bool backslash_escapes = true) {
    return unquoted(Lexer{sql, backslash_escapes}.next(), backslash_escapes);
  };
  CHECK(plain("name") == "name");
  CHECK(plain("`a``b'\\n`") == "a`b'\\n");
  CHECK(plain("'it''s \"\"'") == "it's \"\"");
  CHECK(plain("\"a\"\"b''\"") == "a\"b''");
  CHECK(plain("'\\0\\b\\n\\r\\t\\Z\\\\\\'\\x'") == std::string("\0\b\n\r\t\x1A\\'x", 9));
  CHECK(plain("'a\\n'", false) == "a\\n");
  CHECK(plain("''").empty());
}

TEST_CASE("mysql lexer: keywords in any case", "[wire][mysql]") {
  CHECK(is_keyword(Lexer{"KiLL"}.next(), "KILL"));
  CHECK_FALSE(is_keyword(Lexer{"`KILL`"}.next(), "KILL"));
  CHECK_FALSE(is_keyword(Lexer{"KILLS"}.next(), "KILL"));
  CHECK(is_symbol(Lexer{";"}.next(), ';'));
  CHECK_FALSE(is_symbol(Lexer{"';'"}.next(), ';'));
}
