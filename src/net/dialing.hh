#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "event/loop.hh"
#include "event/task.hh"
#include "net/address.hh"
#include "net/connect.hh"
#include "net/stream.hh"
#include "util/clock.hh"

namespace perilune::net {

// Connects to the first address of a target that answers, in the resolver's order. Outlives its
// tasks: when one is cancelled, the attempt it was at is still here for who must end it in good
// order; destroying the object gives it up.
class Dialing {
 public:
  explicit Dialing(event::Loop& loop) noexcept : loop_(loop) {}
  Dialing(const Dialing&) = delete;
  Dialing& operator=(const Dialing&) = delete;

  // Each address that has others behind it gets its share of what is left of `limit`; zero: none
  // is given up. The limit itself is the caller's to keep. Throws UvError: what resolving, or the
  // last attempt, failed with.
  event::Task<std::unique_ptr<Stream>> dial(Endpoint target, Millis limit);
  // To these addresses of the target's, if there are any.
  event::Task<std::unique_ptr<Stream>> dial(Endpoint target, std::vector<Address> known,
                                            Millis limit) {
    return known.empty() ? dial(std::move(target), limit) : dial_any(std::move(known), limit);
  }
  event::Task<std::unique_ptr<Stream>> dial_any(std::vector<Address> addresses, Millis limit);

  // That of the present attempt, then that of the connection.
  const Address& address() const noexcept { return address_; }

  // The attempt that a cancelled task has left behind; none: it was at something else.
  std::optional<Connecting> take_attempt();
  void give_up() noexcept { attempt_.reset(); }

 private:
  event::Task<int> try_within(Address address, Millis limit);
  event::Task<int> try_until_decided(Address address);

  event::Loop& loop_;
  Address address_;
  std::optional<Connecting> attempt_;  // pending, or connected and not taken
};

}  // namespace perilune::net
