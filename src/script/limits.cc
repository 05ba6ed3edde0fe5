#include "script/limits.hh"

#include <string>

#include "lua/class.hh"
#include "script/client.hh"
#include "script/hooks.hh"
#include "script/lib_shared.hh"

namespace perilune::script {

namespace {

Belongings& check_belongings(lua_State* L, int index) {
  return hooks_of(lua::Class<ClientObject>::check(L, index).link).belongings();
}

}  // namespace

int take_tokens(lua_State* L) {
  const auto& dictionary = check_dictionary(L, 1);
  const std::string_view key = lua::check_text(L, 2);
  const double tokens = lua::check_number(L, 3);
  const shared::Dictionary::Bucket bucket{lua::check_number(L, 4), lua::check_number(L, 5)};
  double left = 0;
  const auto outcome = dictionary->take(key, tokens, bucket, Clock::now(), left);
  lua_pushboolean(L, outcome == shared::Outcome::Done);
  lua_pushnumber(L, left);
  return 2;
}

int enter_place(lua_State* L) {
  const auto& dictionary = check_dictionary(L, 1);
  const std::string key{lua::check_text(L, 2)};
  const auto most = static_cast<std::uint32_t>(lua::check_number(L, 3));
  Belongings& belongings = check_belongings(L, 4);
  bool is_in = belongings.has_place(*dictionary, key);
  if (!is_in && dictionary->enter(key, most, Clock::now()) == shared::Outcome::Done) {
    belongings.add_place(dictionary, key);
    is_in = true;
  }
  lua_pushboolean(L, is_in);
  return 1;
}

int leave_place(lua_State* L) {
  const auto& dictionary = check_dictionary(L, 1);
  const std::string key{lua::check_text(L, 2)};
  check_belongings(L, 3).give_back(*dictionary, key);
  return 0;
}

}  // namespace perilune::script
