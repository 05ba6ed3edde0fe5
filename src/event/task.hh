#pragma once

// event: coroutines and waiting on libuv's loop; no sockets, no protocols, no Lua.
//
// The rules (measured on GCC 12.2, see doc/architecture.rst): a co_await stands alone in its
// statement; a coroutine ends only by returning or throwing; waking something never runs it inside
// the waker.

#include <cassert>
#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

namespace perilune::event {

template <typename T>
class Task;

// Is told when a task that no coroutine awaits has ended; must not destroy the task in the call.
class Completion {
 public:
  virtual void completed(std::exception_ptr error) noexcept = 0;

 protected:
  ~Completion() = default;
};

namespace detail {

struct PromiseBase {
  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) const noexcept {
      auto& promise = self.promise();
      if (promise.continuation) return promise.continuation;
      if (promise.completion != nullptr) promise.completion->completed(promise.error);
      return std::noop_coroutine();
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { error = std::current_exception(); }

  std::coroutine_handle<> continuation;
  Completion* completion = nullptr;
  std::exception_ptr error;
};

template <typename T>
struct Promise : PromiseBase {
  Task<T> get_return_object() noexcept;
  void return_value(T result) { value.emplace(std::move(result)); }
  T take() {
    if (error) std::rethrow_exception(error);
    return std::move(*value);
  }
  std::optional<T> value;
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const {
    if (error) std::rethrow_exception(error);
  }
};

}  // namespace detail

// A lazy coroutine: runs when awaited, once; destroying it cancels it and everything below it.
template <typename T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task() noexcept = default;
  explicit Task(Handle handle) noexcept : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      cancel();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  ~Task() { cancel(); }

  void cancel() noexcept {
    if (handle_) std::exchange(handle_, {}).destroy();
  }
  explicit operator bool() const noexcept { return static_cast<bool>(handle_); }
  bool done() const noexcept { return handle_.done(); }

  // The two halves of awaiting, for awaiters that wait for more than the task (first_of.hh).
  // start() runs the task until it waits; false if it is finished already.
  bool start(std::coroutine_handle<> continuation) noexcept {
    handle_.resume();
    if (handle_.done()) return false;
    handle_.promise().continuation = continuation;
    return true;
  }
  // Runs the task until it waits; its end is told to `completion`, maybe before this returns.
  void start(Completion& completion) noexcept {
    handle_.promise().completion = &completion;
    handle_.resume();
  }
  // From now on nobody waits: a task that finishes later resumes nothing.
  void forget_waiter() noexcept { handle_.promise().continuation = {}; }
  T take() { return handle_.promise().take(); }

  class Awaiter {
   public:
    explicit Awaiter(Handle child) noexcept : child_(child) {}
    bool await_ready() const noexcept { return false; }
    // Resumes the child here instead of by symmetric transfer: a child that finishes at once costs
    // no stack, whatever the compiler makes of tail calls.
    bool await_suspend(std::coroutine_handle<> parent) noexcept {
      child_.resume();
      if (child_.done()) return false;
      child_.promise().continuation = parent;
      return true;
    }
    T await_resume() { return child_.promise().take(); }

   private:
    Handle child_;
  };
  Awaiter operator co_await() && noexcept { return Awaiter{handle_}; }
  Awaiter operator co_await() & noexcept = delete;

 private:
  Handle handle_;
};

namespace detail {

template <typename T>
Task<T> Promise<T>::get_return_object() noexcept {
  return Task<T>{Task<T>::Handle::from_promise(*this)};
}

inline Task<void> Promise<void>::get_return_object() noexcept {
  return Task<void>{Task<void>::Handle::from_promise(*this)};
}

}  // namespace detail

}  // namespace perilune::event
