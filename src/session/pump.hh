#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/stream.hh"
#include "session/session.hh"
#include "session/tap.hh"

namespace perilune::session {

enum class PumpEnd : std::uint8_t {
  Stopped,       // the tap said Stop
  ClientClosed,  // all the client sent was forwarded, unless it broke off
  ServerClosed,  // all the server sent was forwarded, unless it broke off
  Interrupted,   // interrupt() was called
};

// What it means for a pump that one side has ended.
enum class EndOfSide : std::uint8_t {
  EndsPump,
  // The other side is told once it has everything, and the other direction goes on; the pump ends
  // when both have ended or one side broke off.
  IsPassedOn,
};

// Copies between two streams in place, with back-pressure in both directions: past the high-water
// mark of one side the other is no longer read until the queue is half empty. Knows no packets: the
// tap says how many bytes to forward and when to stop. May be run again and again; between runs the
// streams are the session's own.
class Pump {
 public:
  Pump(net::Stream& client, net::Stream& server, Tap& tap, Traffic& traffic,
       EndOfSide end_of_side = EndOfSide::EndsPump) noexcept;
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;

  // co_await run(): a PumpEnd. Needs no coroutine frame. The streams are the pump's meanwhile and
  // may be destroyed in between if it does not run again.
  class Run;
  Run run() noexcept;

  // Ends a running pump with Interrupted, in this call: for use from the loop only, never from the
  // tap. Does nothing when the pump does not run.
  void interrupt();
  bool is_running() const noexcept { return static_cast<bool>(waiter_); }

 private:
  class Direction final : public net::Receiver {
   public:
    Direction(Pump& pump, net::Stream& from, net::Stream& to) noexcept
        : pump_(pump), from_(from), to_(to) {}

    std::size_t on_data(Bytes data) override;
    void after_data() override;
    void on_end(int code) override;
    void on_drained() override;

    void other_moved();  // what the tap made wait may be offered again
    void reset() noexcept { waits_ = held_ = false; }
    void queue_drained();  // what back-pressure stopped may be offered again
    net::Stream& from() noexcept { return from_; }

   private:
    void go_on();
    bool is_up() const noexcept { return this == &pump_.up_; }
    Verdict inspect(Bytes data);
    PumpEnd at_end() const noexcept;
    void mind_broken_other() noexcept;
    void take_end(int code);
    void pass_end_on(int code);

    Pump& pump_;
    net::Stream& from_;
    net::Stream& to_;
    bool waits_ = false;  // for the other direction, as the tap said
    bool held_ = false;   // …and nobody is answered who ends
    bool ended_ = false;  // and the other side was told
  };

  bool start();  // false: ended at once
  Direction& opposite(const Direction& direction) noexcept {
    return &direction == &up_ ? down_ : up_;
  }
  void end(PumpEnd how) noexcept {
    if (!end_) end_ = how;
  }
  void detach() noexcept;
  void finish();  // resumes the waiter if the pump has ended; the last thing a callback does

  Tap& tap_;
  Traffic& traffic_;
  Direction up_;
  Direction down_;
  std::coroutine_handle<> waiter_;
  std::optional<PumpEnd> end_;
  EndOfSide end_of_side_;
  int busy_ = 0;  // calls of this pump on the stack that will look at it again
};

class Pump::Run {
 public:
  explicit Run(Pump& pump) noexcept : pump_(pump) {}
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;
  ~Run();
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiter);
  PumpEnd await_resume() const noexcept { return *pump_.end_; }

 private:
  Pump& pump_;
};

inline Pump::Run Pump::run() noexcept { return Run{*this}; }

}  // namespace perilune::session
