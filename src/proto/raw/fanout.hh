#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "event/latch.hh"
#include "event/task.hh"
#include "event/task_group.hh"
#include "net/stream.hh"
#include "proto/raw/fanout_target.hh"
#include "session/idle_watch.hh"
#include "session/decision.hh"
#include "session/session.hh"

namespace perilune::proto::raw {

// The second half of a session whose client is a source: its bytes go to every target. One target
// that is slow holds the source back. Both ends of the connection that the source has learn of each
// other's end: see doc/fanout.rst.
class Fanout final : private net::Receiver, private session::Ending, private FanoutTarget::Owner {
 public:
  Fanout(session::Session& session, net::Stream& client, session::FanOut wish);
  Fanout(const Fanout&) = delete;
  Fanout& operator=(const Fanout&) = delete;
  ~Fanout();  // counts and logs what a target was not given

  // To all targets at the same time. Throws PeerError for the first one that cannot be reached, or,
  // where failures are to be survived, when none can.
  event::Task<> connect();
  // Until the source has ended and all targets have, too. Throws PeerError for what breaks.
  event::Task<> run();

 private:
  enum class End : std::uint8_t {
    None,
    AllHaveEnded,
    SourceBroke,
    TargetFailed,  // and with it the fan-out
  };

  // The source.
  std::size_t on_data(Bytes data) override;
  void after_data() override;
  void on_end(int code) override;
  void on_drained() override;  // what goes back to it

  void target_has_room() override;
  void target_is_over(FanoutTarget& target) override;

  void say_farewell(session::StopReason reason) override;

  event::Task<> reach(FanoutTarget& target);
  bool closes_on_failure() const noexcept;
  bool has_open_targets() const noexcept;
  bool is_held_back() const noexcept;
  bool is_lost() const noexcept;  // by the targets that have failed
  std::uint64_t delivered() const noexcept;
  void note_failure(const FanoutTarget& target);
  void count_lost(const FanoutTarget& target, std::size_t bytes);
  void end(End how);

  session::Session& session_;
  net::Stream& client_;
  session::FanOut::OnFailure on_failure_;
  std::vector<std::unique_ptr<FanoutTarget>> targets_;
  std::unique_ptr<session::IdleWatch> idle_;
  event::Latch decided_;  // whether the targets can be reached
  event::Latch over_;
  End end_ = End::None;
  std::string failure_;  // the first one
  std::size_t connecting_ = 0;
  std::size_t failed_ = 0;
  bool source_has_ended_ = false;
  event::TaskGroup tasks_;  // before everything else goes, what still connects is given up
};

}  // namespace perilune::proto::raw
