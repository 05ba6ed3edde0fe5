#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <vector>

#include "event/loop.hh"
#include "net/listener.hh"

namespace perilune::daemon {

// A socket to accept from.
struct OpenListener {
  std::shared_ptr<net::ListenSocket> socket;
  std::size_t index;  // of the generation's listener
};

// Accepts on one loop for the listeners of one generation after the other. A socket that stays is
// accepted from without a break; which listener of the generation it is may change.
class Acceptors {
 public:
  using Accepted = UniqueFunction<void(UniqueFd socket, net::Address peer, std::size_t listener)>;

  Acceptors(event::Loop& loop, Accepted accepted, net::Acceptor::Paused paused);
  Acceptors(const Acceptors&) = delete;
  Acceptors& operator=(const Acceptors&) = delete;

  // Makes everything that may fail for these to take the place of the present ones; throws UvError
  // and leaves the present ones as they are.
  void prepare(std::vector<OpenListener> wanted);
  // What was prepared, if anything was, takes effect. Not from `accepted`.
  void commit() noexcept;
  void discard() noexcept;  // what was prepared
  void clear() noexcept;    // accepts no longer

 private:
  struct Place;

  std::list<Place>::iterator find(const net::ListenSocket& socket) noexcept;

  event::Loop& loop_;
  Accepted accepted_;
  net::Acceptor::Paused paused_;
  std::list<Place> open_;
  std::list<Place> added_;  // prepared: for sockets that open_ does not have
  std::vector<OpenListener> wanted_;
  bool prepared_ = false;
};

struct Acceptors::Place {
  Place(Acceptors& owner, const OpenListener& listener);

  std::size_t index;
  net::Acceptor acceptor;
};

}  // namespace perilune::daemon
