#pragma once

#include <optional>
#include <string>
#include <utility>

#include "event/latch.hh"
#include "event/task.hh"
#include "lua/state.hh"
#include "util/clock.hh"
#include "util/unique_function.hh"

namespace perilune::lua {

// The result of something a Lua function waited for: pushes values inside Lua, returns how many; it
// may raise lua::Error.
using Push = UniqueFunction<int(lua_State*)>;

// One call of a Lua function from C++, on a coroutine of its own, which may wait. Destroying it
// abandons the function wherever it waits and cancels what it waits for.
//
//   lua::Call call{state, "on_login"};
//   if (!call.start([&](lua_State* L) { …push the function and its arguments…; return count; })) {
//     co_await call.finish();
//   }
//   if (call.failed()) … call.failure() … else … call.results(), call.result_count() …
//
// A call that does not wait needs no coroutine frame, no new Lua coroutine and no allocation.
class Call {
 public:
  // `name` is a literal: what the watch calls it.
  Call(State& state, const char* name) noexcept : state_(state), name_(name) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call();

  // Lets the loop turn every kSlice while the function runs; before start().
  void yield_regularly() noexcept { sliced_ = true; }
  static constexpr Millis kSlice{3};

  // Nothing could resume a function that yields: it fails then; before start().
  void refuse_bare_yields() noexcept { alone_ = true; }

  // Runs until the function ends or waits; true when it has ended. From outside Lua only. `prepare`
  // runs inside Lua: it pushes the function and its arguments and returns how many values that are.
  template <typename Prepare>
  bool start(Prepare&& prepare) {
    return start_with(
        [](void* p, lua_State* L) {
          return (*static_cast<std::remove_reference_t<Prepare>*>(p))(L);
        },
        &prepare);
  }
  // Waits for the end, after start() returned false. The function may also wait for nothing that we
  // know: it has yielded and other Lua code may resume it.
  event::Task<> finish();
  // Whether only other Lua code can go on with the function.
  bool has_yielded() const noexcept { return phase_ == Phase::Yielded; }

  bool failed() const noexcept { return phase_ == Phase::Failed; }
  struct Failure {
    std::string message;
    std::string traceback;
    bool aborted = false;        // by the watch
    bool out_of_memory = false;  // garbage has been collected since
  };
  const Failure& failure() const noexcept { return failure_; }

  // The results are at 1…result_count() of this stack while the call lives. Reading them must not
  // allocate in Lua.
  lua_State* results() const noexcept;
  int result_count() const noexcept { return result_count_; }

  const char* name() const noexcept { return name_; }

  // Whom the call is made for, as far as the functions it calls need to know; null by default.
  void set_owner(void* owner) noexcept { owner_ = owner; }
  void* owner() const noexcept { return owner_; }

  // For wait.hh, from inside this call.
  lua_State* root() const noexcept { return thread_.stack; }
  void park(event::Task<Push> task) noexcept { parked_ = std::move(task); }
  struct Outcome {
    Push push;
    std::string error;  // when push is empty
  };
  std::optional<Outcome> take_outcome() noexcept { return std::exchange(outcome_, std::nullopt); }

 private:
  friend class State;
  enum class Phase : std::uint8_t { Fresh, Parked, Sliced, Yielded, Ended, Failed };

  bool start_with(State::PrepareBody body, void* context);
  bool is_over() const noexcept { return phase_ == Phase::Ended || phase_ == Phase::Failed; }
  void run();
  int resume();
  void settle(int status);
  void settle_bare_yield();
  void fail(std::string message, lua_State* where);
  void finished_elsewhere(lua_State* L);
  void keep_results(lua_State* L, int first);
  void forget_yielded() noexcept;
  event::Task<> await_parked();
  static void on_slice(lua_State* L, lua_Debug*);

  State& state_;
  const char* name_;
  void* owner_ = nullptr;
  State::Thread thread_;
  State::Thread elsewhere_;  // the results, when other Lua code ran the function to its end
  Phase phase_ = Phase::Fresh;
  bool sliced_ = false;
  bool alone_ = false;
  int result_count_ = 0;
  Clock::time_point slice_end_;
  event::Task<Push> parked_;
  std::optional<Outcome> outcome_;
  std::optional<event::Latch> resumed_;
  Failure failure_;
};

}  // namespace perilune::lua
