#include "util/suggest.hh"

#include "support/catch.hh"

using namespace perilune;

namespace {

constexpr std::string_view kHandlers[] = {"on_connect", "on_login", "on_command_phase",
                                          "on_init_db", "on_query", "on_disconnect"};

}  // namespace

TEST_CASE("nearest_name: one letter missing, added, wrong, swapped", "[util]") {
  CHECK(nearest_name("on_conect", kHandlers) == "on_connect");
  CHECK(nearest_name("on_loggin", kHandlers) == "on_login");
  CHECK(nearest_name("on_quary", kHandlers) == "on_query");
  CHECK(nearest_name("on_lgoin", kHandlers) == "on_login");
  CHECK(nearest_name("ON_QUERY", kHandlers) == "on_query");
  CHECK(nearest_name("on_commandphase", kHandlers) == "on_command_phase");
}

TEST_CASE("nearest_name: a swap of neighbours is one mistake", "[util]") {
  constexpr std::string_view names[] = {"ab"};
  CHECK(nearest_name("ba", names) == "ab");
}

TEST_CASE("nearest_name: the nearer of two", "[util]") {
  CHECK(nearest_name("on_disconnec", kHandlers) == "on_disconnect");
  CHECK(nearest_name("on_connec", kHandlers) == "on_connect");
}

TEST_CASE("nearest_name: nothing near, nothing named", "[util]") {
  CHECK(nearest_name("colour", kHandlers).empty());
  CHECK(nearest_name("", kHandlers).empty());
  CHECK(nearest_name("x", kHandlers).empty());
  CHECK(nearest_name("on_login", {}).empty());
  CHECK(nearest_name(std::string(1'000'000, 'o'), kHandlers).empty());
  constexpr std::string_view one_letter[] = {"a"};
  CHECK(nearest_name("b", one_letter).empty());
}

TEST_CASE("unknown_name: says what was meant", "[util]") {
  CHECK(unknown_name("key", "on_conect", kHandlers) ==
        "unknown key 'on_conect', did you mean 'on_connect'?");
  CHECK(unknown_name("option", "colour", kHandlers) == "unknown option 'colour'");
  CHECK(unknown_name("key", "a\nb", kHandlers) == "unknown key 'a\\nb'");
}
