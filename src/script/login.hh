#pragma once

#include "lua/api.hh"
#include "script/action.hh"
#include "session/decision.hh"

namespace perilune::script {

// Once a state: the metatable of login tables.
void define_logins(lua_State* L);

// Pushes the table that on_login gets.
void push_login(lua_State* L, const session::Login& login);

// Reads the table that connect() got. `original` is what the client said, if that is known: a table
// that is not the callback's own inherits its attributes. A table of the script's own without a
// password means an account without one, as in myproxy; the callback's own table without one passes
// the client's proof through.
void read_login(lua_State* L, int table, const session::Login* original, ConnectAction& action);

}  // namespace perilune::script
