#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "event/task.hh"
#include "net/stream.hh"
#include "session/decision.hh"
#include "session/session.hh"

namespace perilune::proto::raw {

// One target of a fan-out with its connection. Is given bytes; what it answers goes to the client
// or nowhere.
class FanoutTarget final : private net::Receiver {
 public:
  // Is told what happens here, from the loop or within give(); must not destroy the target then.
  class Owner {
   public:
    virtual void target_has_room() = 0;
    // It has everything and has ended its side too, or has failed.
    virtual void target_is_over(FanoutTarget& target) = 0;

   protected:
    ~Owner() = default;
  };

  // `reply_to`: who gets its answers; null: nobody.
  FanoutTarget(session::Session& session, Owner& owner, session::ConnectTo where,
               net::Stream* reply_to);
  FanoutTarget(const FanoutTarget&) = delete;
  FanoutTarget& operator=(const FanoutTarget&) = delete;

  // Never throws: failure() has what went wrong.
  event::Task<> reach();
  bool is_open() const noexcept { return stream_ != nullptr; }
  // From here on the owner is told.
  void start();

  void give(Bytes data);
  // Nothing more comes: passed on behind what waits.
  void end() noexcept;
  void reset() noexcept;
  void resume_replies();

  bool is_full() const noexcept { return is_full_; }
  std::size_t queued() const noexcept { return stream_ ? stream_->queued() : 0; }
  const std::string& name() const noexcept { return name_; }
  bool has_everything() const noexcept { return has_everything_; }
  bool has_failed() const noexcept { return !failure_.empty(); }
  const std::string& failure() const noexcept { return failure_; }
  // What waited for it when it failed.
  std::size_t lost() const noexcept { return lost_; }

 private:
  std::size_t on_data(Bytes data) override;
  void after_data() override;
  void on_end(int code) override;
  void on_drained() override;
  void fail(std::string why, std::size_t lost);

  session::Session& session_;
  Owner& owner_;
  session::ConnectTo where_;
  std::string name_;
  net::Stream* reply_to_;
  net::SmallAddress address_;
  std::unique_ptr<net::Stream> stream_;  // null: not connected, or over
  std::string failure_;
  std::size_t lost_ = 0;
  bool is_full_ = false;       // until its queue is half empty
  bool was_told_end_ = false;  // of the source
  bool has_everything_ = false;
};

}  // namespace perilune::proto::raw
