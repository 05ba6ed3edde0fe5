#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "event/countdown.hh"
#include "lua/call.hh"
#include "script/action.hh"
#include "script/belongings.hh"
#include "script/callback.hh"
#include "script/client.hh"
#include "session/hooks.hh"
#include "session/session.hh"

namespace perilune::script {

class Host;
struct Handler;

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

  std::optional<session::StatementDecision> on_query(std::string_view text,
                                                     session::StatementKind kind) override;
  std::optional<session::StatementDecision> on_init_db(std::string_view database) override;
  event::Task<session::StatementDecision> rest_of_statement() override;
  std::optional<session::LogList> on_log(const log::Record& record) override;

  const char* waiting_callback() const noexcept override { return waiting_name_; }
  bool has_on_connect() const noexcept override;
  bool has_on_command_phase() const noexcept override;
  bool has_on_disconnect() const noexcept override;
  bool has_on_query() const noexcept override;
  bool has_on_init_db() const noexcept override;
  bool has_on_log() const noexcept override;

  // --- for the objects of the script

  session::Session& session() const noexcept { return session_; }
  const session::Login* login() const noexcept { return login_.get(); }
  const SessionLink& link();
  bool is_of(const Host& host) const noexcept { return host_.get() == &host; }

  // Those of the callback that runs, if `login` at this index is the table it was given. Throws
  // lua::Error otherwise.
  static SessionHooks& of_login(lua_State* L, int index);
  // Those of the callback that runs, or null: it is no session's.
  static SessionHooks* of_current(lua_State* L) noexcept;
  Belongings& belongings();
  // May be awaited while on_login runs.
  event::Task<bool> verify(std::optional<auth::Secret> secret);
  event::Task<auth::Secret> read_password();
  // Keeps the client object, on top of the stack and popped, alive as long as the session.
  void keep_client(lua_State* L);

 private:
  int push_call(lua_State* L, int function);
  void push_kept_client(lua_State* L);
  event::Task<session::Decision> ask(const Callback& callback, int function);
  event::Task<bool> finish_in_time(lua::Call& call);

  template <typename PushArguments>
  std::optional<session::StatementDecision> ask_about(const Callback& callback, int function,
                                                      const PushArguments& push_arguments);
  session::StatementDecision decide_about(const Callback& callback, const lua::Call& call,
                                          bool in_time);

  // Nothing: where the client's go.
  std::optional<session::LogList> chosen_logs(const lua::Call& call);

  // What the callback returned; null: nothing. Absent when it failed, which is logged then.
  std::optional<const Action*> result_of(const Callback& callback, const lua::Call& call,
                                         bool in_time);
  session::Decision decide(const Callback& callback, const lua::Call& call, bool in_time);
  session::Decision admit(const Callback& callback, const Action& action);
  // What the nodes of a cluster are asked for (balance.cc).
  void prepare_wish(const ConnectAction& action, session::ConnectTo& decision) const;
  // The cluster's function: `action` is where the call's result is that led there. False: it
  // failed, which is logged then.
  event::Task<bool> choose_node(const lua::Call& decided, int action, session::ConnectTo& decision);
  bool take_choice(const lua::Call& call, bool in_time, const cluster::Members& nodes,
                   session::ConnectTo& decision);
  bool is_checked() const;  // the client, by anything
  static session::Refuse failure();  // what the client is told then
  // A callback's failure, to the log; absent is what came of it.
  std::nullopt_t report(const Callback& callback, const std::string& why,
                        const std::string& traceback = {}, bool aborted = false);
  std::nullopt_t report(const Callback& callback, const lua::Call::Failure& failure);

  std::shared_ptr<Host> host_;
  session::Session& session_;
  const Handler& handler_;
  // What on_login has found out about the client.
  enum class Proof : std::uint8_t { None, Given, Refused };

  std::unique_ptr<session::Login> login_;  // during on_login, as are the next three
  session::Challenger* challenger_ = nullptr;
  const void* login_table_ = nullptr;
  event::Countdown* time_left_ = nullptr;  // of a callback that waits
  const char* waiting_name_ = nullptr;     // its name
  Proof proof_ = Proof::None;
  struct Waiting {
    std::unique_ptr<std::optional<lua::Call>> call;
    const Callback* callback = nullptr;
    CallbackTime time;
  };
  std::unique_ptr<Waiting> waiting_;  // until rest_of_statement()
  SessionLink link_;                  // made when the first object needs it
  int client_ = LUA_NOREF;
  std::unique_ptr<Belongings> belongings_;  // made when there is something
};

}  // namespace perilune::script
