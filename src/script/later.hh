#pragma once

#include <span>
#include <string_view>

#include "lua/api.hh"

namespace perilune::script {

// What the language has in later versions: using it is a plain error that says so.
[[noreturn]] void fail_later(std::string_view name);

// Pushes a function whose every use is that error. `name` is a literal.
void push_later_function(lua_State* L, const char* name);

std::span<const char* const> later_functions() noexcept;

// Sets all of them as fields of the table on top of the stack.
void set_later_names(lua_State* L);

}  // namespace perilune::script
