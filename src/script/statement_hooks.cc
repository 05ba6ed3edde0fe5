// The callbacks that statements pass: what they decide at once costs no coroutine.

#include <array>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "lua/function.hh"
#include "script/callback.hh"
#include "script/hooks.hh"
#include "script/host.hh"

namespace perilune::script {

namespace {

constexpr Callback kOnQuery{"on_query", stats::Callback::OnQuery, true,
                            kQuery | kResult | kOk | kErr};
// Of other commands.
constexpr Callback kOnQueryCommand{"on_query", stats::Callback::OnQuery, true, kErr};
constexpr Callback kOnInitDb{"on_init_db", stats::Callback::OnInitDb, true, kInitDb | kErr};

constexpr std::array kKinds{"query", "prepare", "command"};  // in the order of StatementKind

session::StatementDecision statement_decision(const Action& action) {
  if (const auto* text = std::get_if<session::SendInstead>(&action.what)) return *text;
  if (const auto* database = std::get_if<session::UseDatabase>(&action.what)) return *database;
  if (const auto* success = std::get_if<session::Succeed>(&action.what)) return *success;
  if (const auto* refusal = std::get_if<session::Refuse>(&action.what)) return *refusal;
  return std::get<std::shared_ptr<const session::ResultTable>>(action.what);
}

}  // namespace

bool SessionHooks::has_on_query() const noexcept { return handler_.on_query >= 0; }
bool SessionHooks::has_on_init_db() const noexcept { return handler_.on_init_db >= 0; }

std::optional<session::StatementDecision> SessionHooks::on_query(std::string_view text,
                                                                 session::StatementKind kind) {
  const Callback& callback = kind == session::StatementKind::Command ? kOnQueryCommand : kOnQuery;
  return ask_about(callback, handler_.on_query, [text, kind](lua_State* L) {
    lua::push_text(L, text);
    lua_pushstring(L, kKinds[static_cast<std::size_t>(kind)]);
    return 2;
  });
}

std::optional<session::StatementDecision> SessionHooks::on_init_db(std::string_view database) {
  return ask_about(kOnInitDb, handler_.on_init_db, [database](lua_State* L) {
    lua::push_text(L, database);
    return 1;
  });
}

// A session that asks at every statement would look its client up each time.
void SessionHooks::push_kept_client(lua_State* L) {
  if (client_ >= 0) return lua_rawgeti(L, LUA_REGISTRYINDEX, client_);
  push_client(L, *this, link());
  lua_pushvalue(L, -1);
  keep_client(L);
}

template <typename PushArguments>
std::optional<session::StatementDecision> SessionHooks::ask_about(
    const Callback& callback, int function, const PushArguments& push_arguments) {
  auto box = host_->take_call();
  lua::Call& call = box->emplace(host_->state(), callback.name);
  call.set_owner(this);
  CallbackTime time{session_.metrics().callbacks, callback.counted};
  const bool over = call.start([&](lua_State* L) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, function);
    push_kept_client(L);
    return 2 + push_arguments(L);
  });
  if (!over) {
    waiting_ = std::make_unique<Waiting>(Waiting{std::move(box), &callback, std::move(time)});
    return std::nullopt;
  }
  session::StatementDecision decision = decide_about(callback, call, true);
  host_->give_back(std::move(box));
  return decision;
}

event::Task<session::StatementDecision> SessionHooks::rest_of_statement() {
  const std::unique_ptr<Waiting> waiting = std::move(waiting_);
  const bool in_time = co_await finish_in_time(**waiting->call);
  waiting->time.stop();
  co_return decide_about(*waiting->callback, **waiting->call, in_time);
}

session::StatementDecision SessionHooks::decide_about(const Callback& callback,
                                                      const lua::Call& call, bool in_time) {
  const auto result = result_of(callback, call, in_time);
  if (!result) return failure();
  if (*result == nullptr) return session::Proceed{};
  return statement_decision(**result);
}

}  // namespace perilune::script
