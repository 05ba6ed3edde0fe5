#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "unit/proto/mysql/phase_plan.hh"
#include "unit/proto/mysql/phase_stage.hh"
#include "unit/wire/mysql/proxy_simulation.hh"

namespace perilune::test {

// Plays a plan through a command phase, in pieces cut as wanted.
class PhaseRun {
 public:
  // Who moves when several can: the first.
  enum class Actor : std::uint8_t { Client, Server, Script };
  struct Way {
    Cut client;
    Cut server;
    std::array<Actor, 3> order{Actor::Client, Actor::Server, Actor::Script};
  };

  PhaseRun(const Plan& plan, const Way& way);

  // Throws if client or server do not get all they should and nothing else, or the script is not
  // asked what it should.
  void run();

 private:
  struct Side {
    const std::vector<Plan::Send>& sends;
    const Buffer& expected;
    const Cut& cut;
    Peer& peer;
    const char* name;
    Buffer stream{};
    std::size_t sent = 0;
    std::size_t checked = 0;
  };

  template <typename IsRight>
  FakeHooks::Answer answer_next(IsRight is_right);
  bool move(Actor actor);
  bool send_piece(Side& side);
  static std::size_t allowed(const Side& side);
  static void check_arrival(Side& side);
  void check_end();

  const Plan& plan_;
  Way way_;
  PhaseStage stage_;
  Side client_;
  Side server_;
  std::size_t asked_ = 0;
};

}  // namespace perilune::test
