#include "wire/mysql/sql.hh"

#include <string>

#include "support/catch.hh"

using namespace perilune;
using namespace perilune::wire::mysql;

namespace {

struct UseExample {
  std::string_view sql;
  std::string_view database;  // empty: nothing
};

constexpr UseExample kUses[] = {
    {"USE x", "x"},
    {"use shop;", "shop"},
    {" \n use\tshop ; ;\n", "shop"},
    {"use`a``b`", "a`b"},
    {"use `my db`", "my db"},
    {"use 1st", "1st"},
    {"use d\xC3\xA9p\xC3\xB4t", "d\xC3\xA9p\xC3\xB4t"},
    {"/* hello */ use /* x */ y -- z", "y"},
    {"# first\nuse y # last", "y"},
    {"/*!50000 use y */;", "y"},
    {"/*M! use */ y", "y"},
    {"use", ""},
    {"use ``", ""},
    {"use 'x'", ""},
    {"use \"x\"", ""},
    {"use 12", ""},
    {"use @x", ""},
    {"use x y", ""},
    {"use x.y", ""},
    {"use x-y", ""},
    {"use x; select 1", ""},
    {"use x; use y", ""},
    {";use x", ""},
    {"use `x", ""},
    {"use x /* y", ""},
    {"/*! use x", ""},
    {"user x", ""},
    {"`use` x", ""},
    {"select 1", ""},
    {"", ""},
};

struct KillExample {
  std::string_view sql;
  std::uint64_t id;
  bool query_only;
  bool soft;
};

constexpr KillExample kKills[] = {
    {"kill 5", 5, false, false},
    {"KILL CONNECTION 18446744073709551615;", 18446744073709551615U, false, false},
    {"kill query 123", 123, true, false},
    {"KILL HARD 7", 7, false, false},
    {"kill soft 7", 7, false, true},
    {"kill soft query 0012 ;;", 12, true, true},
    {"Kill Hard Connection 1 -- that one", 1, false, false},
    {"/* a */kill/**/99/* b */", 99, false, false},
    {"-- a\nkill 4", 4, false, false},
    {"#\nkill 4", 4, false, false},
    {"/*! kill */ 9", 9, false, false},
    {"/*!50000 kill query 12345*/", 12345, true, false},
    {"/*M!100000 kill 1*/;", 1, false, false},
    {"kill /*!50000 8 */", 8, false, false},
};

constexpr std::string_view kNoKills[] = {
    "",
    "kill",
    "kill ;",
    "kill query",
    "kill user root",
    "kill user 'root'@'%'",
    "kill query id 5",
    "kill soft hard 5",
    "kill query connection 5",
    "kill query soft 5",
    "kill -5",
    "kill 5+1",
    "kill (5)",
    "kill '5'",
    "kill 0x5",
    "kill 5.0",
    "kill 5e1",
    "kill ?",
    "kill @x",
    "kill @@pseudo_thread_id",
    "kill connection_id()",
    "kill 5 6",
    "kill 5; select 1",
    "kill 18446744073709551616",
    "kill5",
    "kill 5a",
    "kill 5 /*",
    "/*! kill 5",
    "kill /*!5*/",
    "kill /*!5000012*/",
    "/* kill 5 */",
    "/* kill */ 5",
    "select 'kill 5'",
    "; kill 5",
    "`kill` 5",
};

std::string_view digits(std::string_view sql, const KillStatement& kill) {
  return sql.substr(kill.id_offset, kill.id_length);
}

void check_digits(std::string_view sql) {
  const auto kill = parse_kill(sql);
  REQUIRE(kill);
  std::string other{sql};
  other.replace(kill->id_offset, kill->id_length, "4711");
  const auto replaced = parse_kill(other);
  REQUIRE(replaced);
  CHECK(replaced->id == 4711);
  CHECK(replaced->id_offset == kill->id_offset);
  CHECK(replaced->query_only == kill->query_only);
  CHECK(replaced->soft == kill->soft);
  CHECK(std::stoull(std::string{digits(sql, *kill)}) == kill->id);
}

}  // namespace

TEST_CASE("mysql USE: the database of a text that is just that", "[wire][mysql]") {
  for (const UseExample& example : kUses) {
    CAPTURE(example.sql);
    const auto target = use_target(example.sql);
    CHECK(target.has_value() == !example.database.empty());
    CHECK(target.value_or("") == example.database);
  }
}

TEST_CASE("mysql USE: a truncated text is no other database in quotes", "[wire][mysql]") {
  const std::string sql = "/*! use */ `a``b` /* c */ ;";
  for (std::size_t n = 0; n < sql.size(); ++n) {
    const std::string part = sql.substr(0, n);
    CAPTURE(part);
    const auto target = use_target(part);
    if (target) CHECK((*target == "a`b" || part.ends_with("`a`")));
  }
}

TEST_CASE("mysql KILL: forms, numbers and where the digits are", "[wire][mysql]") {
  for (const KillExample& example : kKills) {
    CAPTURE(example.sql);
    const auto kill = parse_kill(example.sql);
    REQUIRE(kill);
    CHECK(kill->id == example.id);
    CHECK(kill->query_only == example.query_only);
    CHECK(kill->soft == example.soft);
    CHECK(may_be_kill(example.sql));
    check_digits(example.sql);
  }
}

TEST_CASE("mysql KILL: other texts are none", "[wire][mysql]") {
  for (const std::string_view sql : kNoKills) {
    CAPTURE(sql);
    CHECK_FALSE(parse_kill(sql));
  }
}

TEST_CASE("mysql KILL: a truncated text kills nothing but by a shorter number", "[wire][mysql]") {
  for (const KillExample& example : kKills) {
    for (std::size_t n = 0; n < example.sql.size(); ++n) {
      const std::string part{example.sql.substr(0, n)};
      CAPTURE(part);
      const auto kill = parse_kill(part);
      if (!kill) continue;
      const auto whole = parse_kill(example.sql);
      CHECK(digits(example.sql, *whole).starts_with(digits(part, *kill)));
      CHECK(kill->id_offset == whole->id_offset);
    }
  }
}

TEST_CASE("mysql KILL: the first bytes tell most other texts apart", "[wire][mysql]") {
  for (const std::string_view sql : {"select 1", " SELECT 1", "\n\tinsert", "(select 1)", "use x",
                                     "`kill`", "'kill'", "{", ";kill 5", "\xE2\x80\x83kill 5"}) {
    CAPTURE(sql);
    CHECK_FALSE(may_be_kill(sql));
  }
  for (const std::string_view sql : {"k", "K", " \r\n\v\f\tK", "/", "-", "#", "", "  "}) {
    CAPTURE(sql);
    CHECK(may_be_kill(sql));
  }
}

TEST_CASE("mysql parameters: those of the statement alone", "[wire][mysql]") {
  CHECK(count_parameters("") == 0);
  CHECK(count_parameters("select 1") == 0);
  CHECK(count_parameters("select ?") == 1);
  CHECK(count_parameters("insert into t values(?,?,?)") == 3);
  CHECK(count_parameters("select '?', \"?\", `?`, /* ? */ ? -- ?\n, ? # ?") == 2);
  CHECK(count_parameters("select /*! ? */, /*!50000 ?*/") == 2);
  CHECK(count_parameters("select '\\'?', ?") == 1);
  CHECK(count_parameters("select '\\', ?", false) == 1);
  CHECK(count_parameters("select 'a''?', ?") == 1);
  CHECK(count_parameters("select ?, '?") == 1);
  CHECK(count_parameters("select ?, /* ?") == 1);
}
