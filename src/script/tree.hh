#pragma once

#include "data/tree.hh"
#include "lua/api.hh"
#include "util/failure.hh"
#include "util/result.hh"

namespace perilune::script {

// Pushes a tree: lists from 1, null as nil, so a hole in a list and no key in a map. Lists are
// marked as such by their metatable.
void push_tree(lua_State* L, const data::Tree& tree);

// The same, or nil and what is wrong with the text.
int push_parsed(lua_State* L, const Result<data::Tree, Failure>& parsed);

// The argument: a table whose keys are 1…n is a list, and one that is marked as such if its keys
// are numbers still, with nulls for its holes; any other one is a map, an empty one too, and its
// keys that are numbers become texts. Throws on what no text could express.
data::Tree read_tree(lua_State* L, int index);

}  // namespace perilune::script
