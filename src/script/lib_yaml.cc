#include "data/yaml.hh"
#include "script/libs.hh"
#include "script/tree.hh"

namespace perilune::script {

namespace {

int parse(lua_State* L) {
  check_count(L, 1, 1);
  return push_parsed(L, data::parse_yaml(lua::check_text(L, 1)));
}

constexpr lua::Function kFunctions[] = {{"parse", lua::guarded<parse>}};

}  // namespace

void push_yaml(lua_State* L) { push_library(L, kFunctions); }

}  // namespace perilune::script
