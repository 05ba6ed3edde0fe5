#include "script/tree.hh"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "lua/error.hh"
#include "lua/function.hh"
#include "script/libs.hh"

namespace perilune::script {

namespace {

constexpr int kSlots = 4;  // of Lua's stack, for each level

void push_list(lua_State* L, const data::Tree::List& list) {
  lua_createtable(L, static_cast<int>(list.size()), 0);
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
    const int size = list_size();
    What what = size > 0 ? What{read_list(size)} : What{read_map()};
    above_.pop_back();
    return what;
  }

  // Of the table on top; 0 if it is no list.
  int list_size() {
    int count = 0;
    for (lua_pushnil(L_); lua_next(L_, -2) != 0; lua_pop(L_, 1)) {
      if (lua_type(L_, -2) != LUA_TNUMBER) {
        lua_pop(L_, 2);
        return 0;
      }
      ++count;
    }
    for (int i = 1; i <= count; ++i) {
      lua_rawgeti(L_, -1, i);
      const bool is_there = !lua_isnil(L_, -1);
      lua_pop(L_, 1);
      if (!is_there) return 0;
    }
    return count;
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
