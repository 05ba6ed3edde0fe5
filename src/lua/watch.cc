#include "lua/watch.hh"

#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string_view>
#include <utility>

namespace perilune::lua {

namespace {

// Which watch the thread's Lua code runs under; read by the signal handler.
constinit thread_local std::atomic<Watch*> current{nullptr};

int abort_signal() noexcept { return SIGRTMIN + 4; }

constexpr std::int64_t kNanosPerMilli = 1'000'000;

}  // namespace

Watch::Watch(const char* idle_name) noexcept
    : name_(idle_name), thread_(gettid()), cpu_clock_(CLOCK_THREAD_CPUTIME_ID) {
  pthread_getcpuclockid(pthread_self(), &cpu_clock_);
  install_handler();
}

void Watch::install_handler() noexcept {
  [[maybe_unused]] static const int installed = [] {
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigfillset(&action.sa_mask);
    return sigaction(abort_signal(), &action, nullptr);
  }();
}

void Watch::enter(const char* name) noexcept {
  name_.store(name, std::memory_order_relaxed);
  current.store(this, std::memory_order_relaxed);
  const auto sequence = sequence_.load(std::memory_order_relaxed);
  sequence_.store(sequence + 1, std::memory_order_release);
}

void Watch::leave() noexcept {
  const auto sequence = sequence_.load(std::memory_order_relaxed);
  // From here on the handler does nothing: the entry to abort is over.
  sequence_.store(sequence + 1, std::memory_order_release);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  current.store(nullptr, std::memory_order_relaxed);
  aborted_ = hooked_.load(std::memory_order_relaxed);
  if (!aborted_) return;
  hooked_.store(false, std::memory_order_relaxed);
  lua_sethook(main_, nullptr, 0, 0);
}

bool Watch::is_aborting() const noexcept {
  return target_.load(std::memory_order_acquire) == sequence_.load(std::memory_order_relaxed);
}

void Watch::on_signal(int) noexcept {
  const int saved = errno;
  if (Watch* const watch = current.load(std::memory_order_relaxed)) watch->interrupt();
  errno = saved;
}

// lua_sethook is what LuaJIT's own program calls from its SIGINT handler. Should it interrupt the
// very instruction that changes the hook mask, the change is lost; check() sends the signal again
// until the entry is left.
void Watch::interrupt() noexcept {
  if (!is_aborting()) return;
  hooked_.store(true, std::memory_order_relaxed);
  lua_sethook(main_, on_hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
}

void Watch::on_hook(lua_State* L, lua_Debug* where) {
  const Watch* const watch = current.load(std::memory_order_relaxed);
  if (watch == nullptr || !watch->is_aborting()) return;
  constexpr const char* kMessage = "callback exceeded callback_cpu_limit";
  for (int level = 0; lua_getstack(L, level, where) != 0; ++level) {
    lua_getinfo(L, "Sl", where);
    // The prelude is not what the script's author looks for.
    if (where->currentline <= 0 || std::string_view(where->source) == "=perilune") continue;
    luaL_error(L, "%s:%d: %s", where->short_src, where->currentline, kMessage);
  }
  lua_pushstring(L, kMessage);
  lua_error(L);
}

std::int64_t Watch::cpu_nanos() const noexcept {
  timespec time{};
  if (clock_gettime(cpu_clock_, &time) != 0) return 0;
  return time.tv_sec * (1000 * kNanosPerMilli) + time.tv_nsec;
}

void Watch::send_signal() noexcept { tgkill(getpid(), thread_, abort_signal()); }

Watch::Report Watch::check() noexcept {
  const auto sequence = sequence_.load(std::memory_order_acquire);
  const char* const name = name_.load(std::memory_order_relaxed);
  const Report::State state = judge(sequence);
  const Report::State before = std::exchange(last_state_, state);
  return {state, name, state != before};
}

Watch::Report::State Watch::judge(std::uint64_t sequence) noexcept {
  using enum Report::State;
  if (sequence % 2 == 0) return Idle;
  const auto now = Clock::now();
  if (sequence != seen_) {
    seen_ = sequence;
    seen_cpu_ = cpu_nanos();
    seen_at_ = now;
    signalled_at_ = {};
    return Running;
  }
  const Millis limit{limit_.load(std::memory_order_relaxed)};
  const Millis grace{grace_.load(std::memory_order_relaxed)};
  if (limit.count() <= 0) return Running;
  if (cpu_nanos() - seen_cpu_ > limit.count() * kNanosPerMilli) {
    if (signalled_at_ == Clock::time_point{}) signalled_at_ = now;
    target_.store(sequence, std::memory_order_release);
    send_signal();
    return now - signalled_at_ > grace ? Stuck : Aborting;
  }
  return now - seen_at_ > limit + grace ? Stuck : Running;
}

}  // namespace perilune::lua
