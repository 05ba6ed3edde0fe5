#pragma once

#include <memory>

#include "lua/api.hh"
#include "shared/dictionary.hh"

namespace perilune::script {

// What shared(name) returns.
struct SharedObject {
  static constexpr const char* kClassName = "shared";
  std::shared_ptr<shared::Dictionary> dictionary;
};

// The argument's; throws when it is something else.
const std::shared_ptr<shared::Dictionary>& check_dictionary(lua_State* L, int index);

}  // namespace perilune::script
