#include "wire/postgres/sql.hh"

#include <string>

#include "support/catch.hh"

namespace perilune::wire::postgres {

TEST_CASE("postgres sql: the first word", "[wire][postgres]") {
  CHECK(first_word("select 1") == "SELECT");
  CHECK(first_word("  -- says /* nothing\n\t/* nor /* this */ one */ (Begin; commit") == "BEGIN");
  CHECK(first_word(";; update t") == "UPDATE");
  CHECK(first_word("").empty());
  CHECK(first_word("-- no end").empty());
  CHECK(first_word("/* no end").empty());
  CHECK(first_word("'select'").empty());
  CHECK(first_word("1select").empty());
  CHECK(first_word("\xc3\xa9t\xc3\xa9 x") == "\xc3\xa9T\xc3\xa9");
}

TEST_CASE("postgres sql: counts the parameters", "[wire][postgres]") {
  CHECK(count_parameters("SELECT 1") == 0);
  CHECK(count_parameters("SELECT $2, $1, $2") == 2);
  CHECK(count_parameters("SELECT $12") == 12);
  CHECK(count_parameters("SELECT '$1', \"$2\", E'\\'$3', $4") == 4);
  CHECK(count_parameters("SELECT 'it''s $1'") == 0);
  CHECK(count_parameters("SELECT '\\', $1") == 1);
  CHECK(count_parameters("SELECT $$ $1 $$, $tag$ $2 $$ $tag$, $3") == 3);
  CHECK(count_parameters("SELECT a$1, -- $2\n/* $3 /* $4 */ */ $5") == 5);
  CHECK(count_parameters("SELECT $99999999999") == 65535);
  CHECK(count_parameters("SELECT $tag$ never ends $1") == 0);
  CHECK(count_parameters("SELECT '$1") == 0);
  CHECK(count_parameters("$") == 0);
}

TEST_CASE("postgres sql: tags of commands", "[wire][postgres]") {
  CHECK(command_tag("INSERT", 3) == "INSERT 0 3");
  CHECK(command_tag("SELECT", 2) == "SELECT 2");
  CHECK(command_tag("UPDATE", 0) == "UPDATE 0");
  CHECK(command_tag("BEGIN", 7) == "BEGIN");
  CHECK(command_tag("", 1) == "OK");
}

}  // namespace perilune::wire::postgres
