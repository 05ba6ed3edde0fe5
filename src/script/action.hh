#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "lua/api.hh"
#include "session/decision.hh"

namespace perilune::script {

class SessionHooks;

// client:connect(…) as the script wrote it.
struct ConnectAction {
  session::Target target;
  std::shared_ptr<cluster::Cluster> cluster;  // instead of it
  bool read_only = false;
  std::optional<std::string> key;
  unsigned retry = 2;
  session::Login login;
  auth::Credentials credentials;
  session::ServerTls tls;
  Millis connect_timeout{5000};
  session::SendProxy send_proxy = session::SendProxy::No;
  std::vector<session::Target> mirror;
  bool unchecked = false;

  // Credentials of the script's own instead of the client's proof.
  bool logs_in_by_itself() const noexcept {
    return credentials.password.has_value() || credentials.password_sha1.has_value();
  }
  session::ConnectTo decision() const;
};

// client:serve(…)
struct ServeAction {
  bool unchecked = false;
};

// What a callback returns: a value without any effect until then, usable again and again.
struct Action {
  static constexpr const char* kClassName = "Action";
  using What = std::variant<ConnectAction, session::FanOut, ServeAction, session::UseDatabase,
                            session::SendInstead, std::shared_ptr<const session::ResultTable>,
                            session::Succeed, session::Refuse>;
  What what;
};

// How scripts call each, in the order of Action::What.
inline constexpr std::array<const char*, std::variant_size_v<Action::What>> kActionNames{
    "client:connect(…)", "client:fanout(…)", "client:serve(…)", "client:init_db(…)",
    "client:query(…)",   "client:result{…}", "client:ok(…)",    "client:err(…)"};

void define_actions(lua_State* L);

// client:err([message [, {code=, sqlstate=}]])
int push_error_action(lua_State* L);
// client:connect(target, login [, options]); where nobody logs in: client:connect(target [,
// options])
int push_connect_action(lua_State* L, const SessionHooks& hooks);
// client:fanout(targets [, options])
int push_fanout_action(lua_State* L);
// client:serve([options])
int push_serve_action(lua_State* L);
// client:query(text)
int push_query_action(lua_State* L);
// client:init_db(name)
int push_init_db_action(lua_State* L);
// client:ok([affected rows])
int push_ok_action(lua_State* L);
// client:result{columns = {name, …}, rows = {{value, …}, …}}
int push_result_action(lua_State* L);

// "Invalid parameters" unless that many arguments follow the object. Throws lua::Error.
void check_argument_count(lua_State* L, int least, int most);

}  // namespace perilune::script
