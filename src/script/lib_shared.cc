#include "script/lib_shared.hh"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "lua/class.hh"
#include "lua/options.hh"
#include "script/host.hh"
#include "script/libs.hh"
#include "util/parse.hh"

namespace perilune::script {

namespace {

using Objects = lua::Class<SharedObject>;
using shared::Dictionary;
using shared::Outcome;

constexpr std::array<std::string_view, 2> kOptions{"capacity", "evict"};

std::optional<shared::Options> read_options(lua_State* L, int index) {
  if (lua_isnoneornil(L, index)) return std::nullopt;
  lua::check_table(L, index);
  const lua::Options given{L, index, "option", kOptions};
  shared::Options options;
  options.capacity = given.size("capacity").value_or(options.capacity);
  options.evict = given.boolean("evict").value_or(options.evict);
  return options;
}

int open(lua_State* L) {
  const std::string name{lua::check_text(L, 1)};
  const auto dictionary = Host::of(L).dictionaries().open(name, read_options(L, 2));
  if (!dictionary) throw lua::Error("shared: " + dictionary.error().message);
  Objects::push(L, SharedObject{*dictionary});
  return 1;
}

Dictionary::Time check_expiry(lua_State* L, int index, Dictionary::Time now) {
  if (lua_isnoneornil(L, index)) return Dictionary::kNever;
  const auto ttl = duration_from_seconds(lua::check_number(L, index));
  if (!ttl) throw lua::ArgumentError(index, ttl.error().message);
  return ttl->count() == 0 ? Dictionary::kNever : now + *ttl;
}

shared::Value check_value(lua_State* L, int index) {
  switch (lua_type(L, index)) {
    case LUA_TBOOLEAN:
      return lua_toboolean(L, index) != 0;
    case LUA_TNUMBER:
      return lua_tonumber(L, index);
    case LUA_TSTRING:
      return std::string(lua::text_at(L, index));
    default:
      lua::fail_type(L, index, "string, number or boolean");
  }
}

void push_value(lua_State* L, const shared::Value& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return lua_pushboolean(L, *flag);
  if (const auto* number = std::get_if<double>(&value)) return lua_pushnumber(L, *number);
  lua::push_text(L, std::get<std::string>(value));
}

int get(lua_State* L) {
  const auto& dictionary = check_dictionary(L, 1);
  const auto value = dictionary->get(lua::check_text(L, 2), Clock::now());
  if (value) {
    push_value(L, *value);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

int set(lua_State* L) {
  const auto& dictionary = check_dictionary(L, 1);
  const std::string_view key = lua::check_text(L, 2);
  const auto now = Clock::now();
  if (lua_gettop(L) > 2 && lua_isnil(L, 3)) {
    dictionary->remove(key, now);
  } else {
    const auto expires = check_expiry(L, 4, now);
    if (dictionary->set(key, check_value(L, 3), expires, now) != Outcome::Done) {
      return push_failure(L, "full");
    }
  }
  lua_pushboolean(L, 1);
  return 1;
}

int increment(lua_State* L) {
  const auto& dictionary = check_dictionary(L, 1);
  const std::string_view key = lua::check_text(L, 2);
  const double by = lua_isnoneornil(L, 3) ? 1 : lua::check_number(L, 3);
  const auto now = Clock::now();
  double result = 0;
  const auto outcome = dictionary->increment(key, by, check_expiry(L, 4, now), now, result);
  if (outcome != Outcome::Done) {
    return push_failure(L, outcome == Outcome::Full ? "full" : "not a number");
  }
  lua_pushnumber(L, result);
  return 1;
}

int remove(lua_State* L) {
  const auto& dictionary = check_dictionary(L, 1);
  lua_pushboolean(L, dictionary->remove(lua::check_text(L, 2), Clock::now()));
  return 1;
}

constexpr lua::Function kMethods[] = {
    {"delete", lua::guarded<remove>},
    {"get", lua::guarded<get>},
    {"incr", lua::guarded<increment>},
    {"set", lua::guarded<set>},
};

constexpr lua::Function kShared[] = {{"shared", lua::guarded<open>}};

}  // namespace

const std::shared_ptr<shared::Dictionary>& check_dictionary(lua_State* L, int index) {
  return Objects::check(L, index).dictionary;
}

void push_shared(lua_State* L) {
  define_class<SharedObject>(L, kMethods);
  push_function(L, kShared);
}

}  // namespace perilune::script
