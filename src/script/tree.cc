#include "script/tree.hh"

#include <fmt/format.h>

#include <algorithm>
#include <climits>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lua/error.hh"
#include "lua/function.hh"
#include "script/libs.hh"

namespace perilune::script {

namespace {

constexpr int kSlots = 4;  // of Lua's stack, for each level

// What a list that was marked may lack more than it did at first; with more of them it is none.
constexpr int kMostHoles = 1000;

// A table from a text does not show by itself whether it is a list: it may be empty, and nulls
// leave nothing. Lists have a metatable with this key, under which is how long they are at least.
char length_key;
// In the registry: the metatable of all lists without nulls.
char common_mark_key;

bool is_null(const data::Tree& tree) noexcept {
  return std::holds_alternative<std::monostate>(tree.what);
}

void push_new_mark(lua_State* L, std::size_t least) {
  lua_createtable(L, 0, 1);
  lua_pushlightuserdata(L, &length_key);
  lua_pushnumber(L, static_cast<lua_Number>(least));
  lua_rawset(L, -3);
}

void push_common_mark(lua_State* L) {
  lua_pushlightuserdata(L, &common_mark_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  if (!lua_isnil(L, -1)) return;
  lua_pop(L, 1);
  push_new_mark(L, 0);
  lua_pushlightuserdata(L, &common_mark_key);
  lua_pushvalue(L, -2);
  lua_rawset(L, LUA_REGISTRYINDEX);
}

void push_list(lua_State* L, const data::Tree::List& list) {
  lua_createtable(L, static_cast<int>(list.size()), 0);
  const bool has_nulls = std::ranges::any_of(list, is_null);
  has_nulls ? push_new_mark(L, list.size()) : push_common_mark(L);
  lua_setmetatable(L, -2);
  int index = 0;
  for (const data::Tree& element : list) {
    push_tree(L, element);
    lua_rawseti(L, -2, ++index);
  }
}

void push_map(lua_State* L, const data::Tree::Map& map) {
  lua_createtable(L, 0, static_cast<int>(map.size()));
  for (const data::Member& member : map) {
    lua::push_text(L, member.key);
    push_tree(L, member.value);
    lua_rawset(L, -3);
  }
}

// Reads one argument with all that is below it.
class Reader {
 public:
  Reader(lua_State* L, int argument) noexcept : L_(L), argument_(argument) {}

  // The value on top of the stack, which stays there.
  data::Tree read() {
    data::Tree tree;
    switch (lua_type(L_, -1)) {
      case LUA_TNIL:
        break;
      case LUA_TBOOLEAN:
        tree.what = lua_toboolean(L_, -1) != 0;
        break;
      case LUA_TNUMBER:
        tree.what = lua_tonumber(L_, -1);
        break;
      case LUA_TSTRING:
        tree.what = std::string(lua::text_at(L_, -1));
        break;
      case LUA_TTABLE:
        tree.what = read_table();
        break;
      default:
        fail(fmt::format("a {} has no text", luaL_typename(L_, -1)));
    }
    return tree;
  }

 private:
  using What = decltype(data::Tree::what);

  What read_table() {
    const void* const table = lua_topointer(L_, -1);
    if (std::ranges::find(above_, table) != above_.end()) fail("a table contains itself");
    if (above_.size() == data::kMaxDepth) fail(data::kTooDeep);
    luaL_checkstack(L_, kSlots, data::kTooDeep);
    above_.push_back(table);
    const auto size = list_size();
    What what = size ? What{read_list(*size)} : What{read_map()};
    above_.pop_back();
    return what;
  }

  // Of the table on top; nothing: it is no list.
  std::optional<int> list_size() {
    const auto least = marked_length();
    int count = 0;
    int last = 0;
    for (lua_pushnil(L_); lua_next(L_, -2) != 0; lua_pop(L_, 1)) {
      const int index = index_at(-2);
      if (index == 0) {
        lua_pop(L_, 2);
        return std::nullopt;
      }
      ++count;
      last = std::max(last, index);
    }
    if (!least) return count > 0 && last == count ? std::optional{count} : std::nullopt;
    if (last - count > *least + kMostHoles) return std::nullopt;
    return std::max(last, *least);
  }

  // Of a list from a text, as the table on top is marked.
  std::optional<int> marked_length() {
    if (lua_getmetatable(L_, -1) == 0) return std::nullopt;
    lua_pushlightuserdata(L_, &length_key);
    lua_rawget(L_, -2);
    std::optional<int> length;
    if (lua_type(L_, -1) == LUA_TNUMBER) length = static_cast<int>(lua_tointeger(L_, -1));
    lua_pop(L_, 2);
    return length;
  }

  // 0: that key is none.
  int index_at(int place) const {
    if (lua_type(L_, place) != LUA_TNUMBER) return 0;
    const lua_Number number = lua_tonumber(L_, place);
    const bool is_index = number >= 1 && number < INT_MAX && std::floor(number) == number;
    return is_index ? static_cast<int>(number) : 0;
  }

  data::Tree::List read_list(int size) {
    data::Tree::List list;
    list.reserve(static_cast<std::size_t>(size));
    for (int i = 1; i <= size; ++i) {
      lua_rawgeti(L_, -1, i);
      list.push_back(read());
      lua_pop(L_, 1);
    }
    return list;
  }

  data::Tree::Map read_map() {
    data::Tree::Map map;
    for (lua_pushnil(L_); lua_next(L_, -2) != 0; lua_pop(L_, 1)) {
      map.push_back({read_key(), read()});
    }
    return map;
  }

  // Below the value on top; must stay as it is for lua_next.
  std::string read_key() {
    if (lua_type(L_, -2) == LUA_TSTRING) return std::string(lua::text_at(L_, -2));
    if (lua_type(L_, -2) != LUA_TNUMBER) {
      fail(fmt::format("a {} cannot be a key", luaL_typename(L_, -2)));
    }
    return fmt::format("{:.14g}", lua_tonumber(L_, -2));
  }

  [[noreturn]] void fail(const std::string& why) const { throw lua::ArgumentError(argument_, why); }

  lua_State* L_;
  int argument_;
  std::vector<const void*> above_;  // the tables that this one is in
};

}  // namespace

void push_tree(lua_State* L, const data::Tree& tree) {
  luaL_checkstack(L, kSlots, data::kTooDeep);
  if (const auto* flag = std::get_if<bool>(&tree.what)) return lua_pushboolean(L, *flag);
  if (const auto* number = std::get_if<double>(&tree.what)) return lua_pushnumber(L, *number);
  if (const auto* text = std::get_if<std::string>(&tree.what)) return lua::push_text(L, *text);
  if (const auto* list = std::get_if<data::Tree::List>(&tree.what)) return push_list(L, *list);
  if (const auto* map = std::get_if<data::Tree::Map>(&tree.what)) return push_map(L, *map);
  lua_pushnil(L);
}

int push_parsed(lua_State* L, const Result<data::Tree, Failure>& parsed) {
  if (!parsed) return push_failure(L, parsed.error().message);
  push_tree(L, *parsed);
  return 1;
}

data::Tree read_tree(lua_State* L, int index) {
  luaL_checkstack(L, kSlots, data::kTooDeep);
  lua_pushvalue(L, index);
  data::Tree tree = Reader{L, index}.read();
  lua_pop(L, 1);
  return tree;
}

}  // namespace perilune::script
