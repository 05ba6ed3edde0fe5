#include "data/json.hh"
#include "script/libs.hh"
#include "script/tree.hh"

namespace perilune::script {

namespace {

int parse(lua_State* L) {
  check_count(L, 1, 1);
  return push_parsed(L, data::parse_json(lua::check_text(L, 1)));
}

int dump(lua_State* L) {
  check_count(L, 1, 1);
  const auto text = data::dump_json(read_tree(L, 1));
  if (!text) throw lua::ArgumentError(1, text.error().message);
  lua::push_text(L, *text);
  return 1;
}

constexpr lua::Function kFunctions[] = {
    {"dump", lua::guarded<dump>},
    {"parse", lua::guarded<parse>},
};

}  // namespace

void push_json(lua_State* L) { push_library(L, kFunctions); }

}  // namespace perilune::script
