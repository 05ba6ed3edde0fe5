#include "lua/call.hh"

#include <algorithm>
#include <cassert>
#include <coroutine>
#include <memory>

#include "lua/function.hh"

namespace perilune::lua {

namespace {

constexpr int kSliceInstructions = 1000;
constexpr int kMostResults = LUA_MINSTACK - 4;

// co_await NextTurn(loop): everything else that is ready comes first.
class NextTurn {
 public:
  explicit NextTurn(event::Loop& loop) noexcept : loop_(loop) {}
  NextTurn(const NextTurn&) = delete;
  NextTurn& operator=(const NextTurn&) = delete;
  ~NextTurn() {
    if (waiter_) *waiter_ = {};
  }
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = std::make_shared<std::coroutine_handle<>>(waiter);
    loop_.defer([waiting = waiter_] {
      if (*waiting) waiting->resume();
    });
  }
  void await_resume() const noexcept {}

 private:
  event::Loop& loop_;
  std::shared_ptr<std::coroutine_handle<>> waiter_;
};

// co_await Started(task): waits for the task; false when that took no waiting.
class Started {
 public:
  explicit Started(event::Task<Push>& task) noexcept : task_(task) {}
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiter) noexcept {
    return waited_ = task_.start(waiter);
  }
  bool await_resume() const noexcept { return waited_; }

 private:
  event::Task<Push>& task_;
  bool waited_ = false;
};

// Indented by blanks, as logs show a tab as what it is.
std::string traceback_of(lua_State* L, lua_State* where) {
  luaL_traceback(L, where, nullptr, 0);
  std::string text;
  for (const char c : message_of(L, -1)) text += c == '\t' ? std::string("  ") : std::string(1, c);
  lua_pop(L, 1);
  return text;
}

}  // namespace

Call::~Call() {
  assert(state_.current_ != this);
  forget_yielded();
  state_.give_back(thread_);
  state_.give_back(elsewhere_);
  // Now that nothing of the call holds it.
  if (failure_.out_of_memory) state_.collect_garbage();
}

bool Call::start_with(State::PrepareBody body, void* context) {
  assert(state_.current_ == nullptr && phase_ == Phase::Fresh);
  try {
    thread_ = state_.take_thread();
  } catch (const Error& error) {
    fail(error.what(), nullptr);
    failure_.out_of_memory = true;
    return true;
  }
  state_.prepare_ = body;
  state_.prepare_context_ = context;
  run();
  return is_over();
}

event::Task<> Call::finish() {
  while (!is_over()) {
    if (phase_ == Phase::Parked) {
      co_await await_parked();
      run();
    } else if (phase_ == Phase::Sliced) {
      co_await NextTurn(state_.loop());
      run();
    } else {
      co_await *resumed_;
    }
  }
}

event::Task<> Call::await_parked() {
  auto task = std::move(parked_);
  const bool waited = co_await Started(task);
  // A loop in the script over things that are there at once must not keep the others waiting.
  if (!waited) co_await NextTurn(state_.loop());
  Outcome outcome;
  try {
    outcome.push = task.take();
  } catch (const std::exception& error) {
    outcome.error = error.what();
  }
  outcome_ = std::move(outcome);
}

void Call::run() { settle(resume()); }

int Call::resume() {
  if (sliced_) {
    slice_end_ = Clock::now() + kSlice;
    lua_sethook(state_.main_, on_slice, LUA_MASKCOUNT, kSliceInstructions);
  }
  state_.current_ = this;
  state_.watch_->enter(name_);
  phase_ = Phase::Yielded;
  const int status = lua_resume(thread_.stack, 0);
  state_.watch_->leave();
  state_.current_ = nullptr;
  if (sliced_) lua_sethook(state_.main_, nullptr, 0, 0);
  return status;
}

void Call::settle(int status) {
  if (status == 0) {
    phase_ = Phase::Ended;
    result_count_ = lua_gettop(thread_.stack);
  } else if (status != LUA_YIELD) {
    fail(message_of(thread_.stack, -1), thread_.stack);
    failure_.aborted = state_.watch_->was_aborted();
    failure_.out_of_memory = status == LUA_ERRMEM;
  } else if (parked_) {
    phase_ = Phase::Parked;
  } else if (phase_ == Phase::Yielded) {
    settle_bare_yield();
  }
}

void Call::settle_bare_yield() {
  if (alone_) return fail("yielded where nothing can resume it", thread_.stack);
  if (resumed_) return;
  resumed_.emplace(state_.loop());
  state_.yielded_.push_back(this);
}

void Call::fail(std::string message, lua_State* where) {
  phase_ = Phase::Failed;
  failure_.message = std::move(message);
  if (where == nullptr) return;
  try {
    state_.protect([this, where](lua_State* L) { failure_.traceback = traceback_of(L, where); });
  } catch (const Error&) {  // no memory for a traceback: the message must do
  }
}

// Called from inside another call. The values on the stack: coroutine, ok, results… or error.
void Call::finished_elsewhere(lua_State* L) {
  constexpr int kFirst = 3;
  if (lua_toboolean(L, 2) == 0) {
    failure_.message = message_of(L, kFirst);
    failure_.traceback = traceback_of(L, thread_.stack);
    phase_ = Phase::Failed;
  } else {
    keep_results(L, kFirst);
    phase_ = Phase::Ended;
  }
  forget_yielded();
  resumed_->set();
}

// Only the first results and the last one can mean anything; that many fit without growing a stack
// that is not the running one.
void Call::keep_results(lua_State* L, int first) {
  const int last = lua_gettop(L);
  const int count = std::clamp(last - first + 1, 0, kMostResults);
  lua_State* const stack = lua_newthread(L);
  elsewhere_.reference = luaL_ref(L, LUA_REGISTRYINDEX);
  elsewhere_.stack = stack;
  luaL_checkstack(L, count, "too many results");
  for (int i = 0; i + 1 < count; ++i) lua_pushvalue(L, first + i);
  if (count > 0) lua_pushvalue(L, last);
  lua_xmove(L, stack, count);
  result_count_ = count;
}

lua_State* Call::results() const noexcept {
  return elsewhere_.stack != nullptr ? elsewhere_.stack : thread_.stack;
}

void Call::forget_yielded() noexcept { std::erase(state_.yielded_, this); }

void Call::on_slice(lua_State* L, lua_Debug*) {
  Call* const self = State::of(L).current_;
  if (self == nullptr || L != self->thread_.stack || lua_isyieldable(L) == 0) return;
  if (Clock::now() < self->slice_end_) return;
  self->phase_ = Phase::Sliced;
  lua_yield(L, 0);
}

}  // namespace perilune::lua
