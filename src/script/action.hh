#pragma once

#include <string>
#include <variant>

#include "lua/api.hh"
#include "session/decision.hh"

namespace perilune::script {

class SessionHooks;

// client:connect(…) as the script wrote it.
struct ConnectAction {
  session::Target target;
  session::Login login;
  auth::Credentials credentials;
  session::ServerTls tls;
  Millis connect_timeout{5000};
  session::SendProxy send_proxy = session::SendProxy::No;
  bool unchecked = false;

  // Credentials of the script's own instead of the client's proof.
  bool logs_in_by_itself() const noexcept {
    return credentials.password.has_value() || credentials.password_sha1.has_value();
  }
  session::ConnectTo decision() const;
};

// What a callback returns: a value without any effect until then, usable again and again.
struct Action {
  static constexpr const char* kClassName = "Action";
  std::variant<session::Refuse, ConnectAction> what;
};

void define_actions(lua_State* L);

// client:err([message [, {code=, sqlstate=}]])
int push_error_action(lua_State* L);
// client:connect(target, login [, options])
int push_connect_action(lua_State* L, const SessionHooks& hooks);

}  // namespace perilune::script
