#include "wire/mysql/setup_statement.hh"

#include <string>

#include "support/catch.hh"

using namespace perilune;
using namespace perilune::wire::mysql;

namespace {

template <typename Statement>
std::optional<Statement> parsed(std::string_view sql) {
  CAPTURE(sql);
  auto statement = parse_setup(sql);
  if (!statement) return std::nullopt;
  auto* wanted = std::get_if<Statement>(&*statement);
  if (wanted == nullptr) return std::nullopt;
  return std::move(*wanted);
}

std::string text_of(const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* real = std::get_if<double>(&value)) return "real " + std::to_string(*real);
  return "'" + std::get<std::string>(value) + "'";
}

std::string text_of(const SelectItem& item) {
  if (const auto* variable = std::get_if<SystemVariable>(&item.expression)) {
    static constexpr std::string_view kScopes[] = {"any ", "session ", "global "};
    return std::string{kScopes[static_cast<int>(variable->scope)]} + variable->name;
  }
  if (const auto* function = std::get_if<SetupFunction>(&item.expression)) {
    static constexpr std::string_view kNames[] = {"database", "user", "current user", "connection",
                                                  "version"};
    return std::string{kNames[static_cast<int>(*function)]};
  }
  return text_of(std::get<Value>(item.expression));
}

// "column=expression; ..." of a SELECT; "none" of everything else.
std::string select(std::string_view sql) {
  const auto statement = parsed<SelectStatement>(sql);
  if (!statement) return "none";
  std::string text;
  for (const SelectItem& item : statement->items) {
    text.append(text.empty() ? "" : "; ").append(item.column).append("=").append(text_of(item));
  }
  return text;
}

struct Example {
  std::string_view sql;
  std::string_view items;
};

constexpr Example kSelects[] = {
    {"select 1", "1=1"},
    {"SELECT @@version_comment LIMIT 1", "@@version_comment=any version_comment"},
    {"SELECT @@max_allowed_packet,@@wait_timeout;",
     "@@max_allowed_packet=any max_allowed_packet; @@wait_timeout=any wait_timeout"},
    {"/* mysql-connector-j-8.0 */SELECT  @@session.auto_increment_increment AS "
     "auto_increment_increment, @@character_set_client AS character_set_client",
     "auto_increment_increment=session auto_increment_increment; "
     "character_set_client=any character_set_client"},
    {"select @@GLOBAL.port p, @@local.autocommit 'a b', @@`version` as `v``1`, @@global.`x` y",
     "p=global port; a b=session autocommit; v`1=any version; y=global x"},
    {"select @@cache.key_buffer_size", "@@cache.key_buffer_size=any cache.key_buffer_size"},
    {"select database(), SCHEMA ( ) s, user(), current_user, CURRENT_USER() me, connection_id(), "
     "version()",
     "database()=database; s=database; user()=user; current_user=current user; me=current user; "
     "connection_id()=connection; version()=version"},
    {"select 'it''s', \"x\" as y, '' , 'a' b", "it's='it's'; y='x'; =''; b='a'"},
    {"select 1.5, 2e2 x, 9223372036854775807, 9223372036854775808",
     "1.5=real 1.500000; x=real 200.000000; 9223372036854775807=9223372036854775807; "
     "9223372036854775808=real 9223372036854775808.000000"},
    {"/*!40101 select 1 as one */", "one=1"},
    {"select 1 limit 1", "1=1"},
};

constexpr std::string_view kUnknown[] = {
    "",
    ";",
    "select",
    "select 1,",
    "select 1 as",
    "select 1 from",
    "select 1 from t",
    "select 1 x y",
    "select 1 limit 2",
    "select 1 limit",
    "select 1; select 2",
    "select 1 + 1",
    "select -1",
    "select 'a' 'b'",
    "select @x",
    "select *",
    "select now()",
    "select database",
    "select version(1)",
    "select 0x41",
    "select 'a",
    "select 1 /* x",
    "select (1)",
    "select @@ version",
    "(select 1)",
    "set",
    "set ;",
    "set a=1; select 1",
    "set ; a=1",
    "set a='x",
    "set statement max_statement_time=1 for select 1",
    "begin not atomic select 1; end",
    "begin; select 1",
    "start",
    "start slave",
    "rollback to savepoint a",
    "rollback to a",
    "commit; select 1",
    "show",
    "show global",
    "show character",
    "show character x",
    "show tables; select 1",
    "show variables like 'x'; select 1",
    "show variables like 'x",
    "use x y",
    "insert into t values(1)",
    "explain select 1",
};

}  // namespace

TEST_CASE("mysql setup: SELECT of what a session knows", "[wire][mysql]") {
  for (const Example& example : kSelects) {
    CAPTURE(example.sql);
    CHECK(select(example.sql) == example.items);
  }
}

TEST_CASE("mysql setup: other texts are none", "[wire][mysql]") {
  for (const std::string_view sql : kUnknown) {
    CAPTURE(sql);
    CHECK_FALSE(parse_setup(sql));
  }
}

TEST_CASE("mysql setup: SET of anything", "[wire][mysql]") {
  for (const std::string_view sql :
       {"SET NAMES utf8mb4", "set autocommit=1;", "/*!40101 SET NAMES utf8 */;",
        "SET @@session.sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES'), time_zone='+00:00'",
        "set session transaction isolation level read committed"}) {
    CAPTURE(sql);
    CHECK(parsed<SetStatement>(sql));
  }
}

TEST_CASE("mysql setup: transactions", "[wire][mysql]") {
  using enum TransactionStatement;
  CHECK(parsed<TransactionStatement>("BEGIN") == Begin);
  CHECK(parsed<TransactionStatement>("begin work;") == Begin);
  CHECK(parsed<TransactionStatement>("START TRANSACTION") == Begin);
  CHECK(parsed<TransactionStatement>("start transaction read only, with consistent snapshot") ==
        Begin);
  CHECK(parsed<TransactionStatement>("commit") == Commit);
  CHECK(parsed<TransactionStatement>("COMMIT AND NO CHAIN NO RELEASE") == Commit);
  CHECK(parsed<TransactionStatement>("rollback work ;") == Rollback);
}

TEST_CASE("mysql setup: USE", "[wire][mysql]") {
  const auto use = parsed<UseStatement>("use `my db`;");
  REQUIRE(use);
  CHECK(use->database == "my db");
}

TEST_CASE("mysql setup: SHOW", "[wire][mysql]") {
  const auto what = [](std::string_view sql) {
    const auto show = parsed<ShowStatement>(sql);
    return show ? show->what + (show->restricted ? " restricted" : "") : "none";
  };
  CHECK(what("show warnings") == "WARNINGS");
  CHECK(what("SHOW WARNINGS LIMIT 5") == "WARNINGS restricted");
  CHECK(what("show engines;") == "ENGINES");
  CHECK(what("show charset") == "CHARSET");
  CHECK(what("show character set") == "CHARSET");
  CHECK(what("show collation where charset='utf8'") == "COLLATION restricted");
  CHECK(what("show full tables from x") == "TABLES restricted");
  CHECK(what("show databases") == "DATABASES");
  CHECK(what("show variables where variable_name in ('a','b')") == "VARIABLES restricted");
  CHECK(what("show variables like concat('a','b')") == "VARIABLES restricted");
  CHECK(what("show variables like 'a' or 1") == "VARIABLES restricted");
}

TEST_CASE("mysql setup: SHOW VARIABLES of a scope, and its pattern", "[wire][mysql]") {
  const auto all = parsed<ShowStatement>("show global variables");
  REQUIRE(all);
  CHECK(all->scope == VariableScope::Global);
  CHECK_FALSE(all->pattern);
  const auto like = parsed<ShowStatement>("show session variables like 'lower\\_case\\_%' ;");
  REQUIRE(like);
  CHECK(like->scope == VariableScope::Session);
  CHECK(like->pattern == "lower\\_case\\_%");
  CHECK_FALSE(like->restricted);
  const auto odd = parsed<ShowStatement>("show status like 'a' or 1");
  REQUIRE(odd);
  CHECK_FALSE(odd->pattern);
}

TEST_CASE("mysql setup: what is cut inside a text or comment is nothing", "[wire][mysql]") {
  for (const Example& example : kSelects) {
    for (std::size_t n = 0; n < example.sql.size(); ++n) {
      const std::string part{example.sql.substr(0, n)};
      CAPTURE(part);
      const auto statement = parsed<SelectStatement>(part);
      const auto whole = parsed<SelectStatement>(example.sql);
      if (statement) CHECK(statement->items.size() <= whole->items.size());
    }
  }
}
