#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "event/countdown.hh"
#include "lua/call.hh"
#include "script/action.hh"
#include "script/client.hh"
#include "session/hooks.hh"
#include "session/session.hh"

namespace perilune::script {

class Host;
struct Handler;
struct Callback;

// The script's side of one session. What fails refuses: see Hooks.
class SessionHooks final : public session::Hooks {
 public:
  SessionHooks(std::shared_ptr<Host> host, session::Session& session, const Handler& handler);
  SessionHooks(const SessionHooks&) = delete;
  SessionHooks& operator=(const SessionHooks&) = delete;
  ~SessionHooks() override;

  event::Task<session::Decision> on_connect() override;
  event::Task<session::Decision> on_login(session::Login login,
                                          session::Challenger& challenger) override;
  event::Task<session::Decision> on_command_phase() override;
  event::Task<> on_disconnect() override;

  bool has_on_connect() const noexcept override;
  bool has_on_command_phase() const noexcept override;
  bool has_on_disconnect() const noexcept override;

  // --- for the objects of the script

  session::Session& session() const noexcept { return session_; }
  const session::Login* login() const noexcept { return login_.get(); }
  const SessionLink& link();

  // Those of the callback that runs, if `login` at this index is the table it was given. Throws
  // lua::Error otherwise.
  static SessionHooks& of_login(lua_State* L, int index);
  // May be awaited while on_login runs.
  event::Task<bool> verify(std::optional<auth::Secret> secret);
  event::Task<auth::Secret> read_password();
  // Keeps the client object alive as long as the session; `reference` is in the registry.
  void keep_client(int reference) noexcept { client_ = reference; }

 private:
  int push_call(lua_State* L, int function);
  event::Task<session::Decision> ask(const Callback& callback, int function);
  event::Task<bool> finish_in_time(lua::Call& call);

  session::Decision decide(const Callback& callback, const lua::Call& call, bool in_time);
  session::Decision judge(const Callback& callback, const Action& action);
  session::Decision connect(const Callback& callback, const ConnectAction& action);
  session::Decision fail(const Callback& callback, const std::string& why,
                         const std::string& traceback = {});
  session::Decision fail(const Callback& callback, const lua::Call::Failure& failure);

  std::shared_ptr<Host> host_;
  session::Session& session_;
  const Handler& handler_;
  // What on_login has found out about the client.
  enum class Proof : std::uint8_t { None, Given, Refused };

  std::unique_ptr<session::Login> login_;  // during on_login, as are the next three
  session::Challenger* challenger_ = nullptr;
  const void* login_table_ = nullptr;
  event::Countdown* time_left_ = nullptr;  // of a callback that waits
  Proof proof_ = Proof::None;
  SessionLink link_;  // made when the first object needs it
  int client_ = LUA_NOREF;
};

}  // namespace perilune::script
