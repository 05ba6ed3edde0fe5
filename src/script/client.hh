#pragma once

#include <memory>

#include "lua/api.hh"

namespace perilune::script {

class SessionHooks;

// From objects of the script to their session; null once that has ended.
using SessionLink = std::shared_ptr<SessionHooks*>;

// Throws "Stale object".
SessionHooks& hooks_of(const SessionLink& link);

// The `client` of callbacks. Its environment table holds notes and what else belongs to it.
struct ClientObject {
  static constexpr const char* kClassName = "client";
  SessionLink link;
};

void define_clients(lua_State* L);

// Pushes the session's client: the object that the script already holds, or a new one.
void push_client(lua_State* L, const SessionHooks& hooks, const SessionLink& link);

}  // namespace perilune::script
