#include "daemon/acceptors.hh"

#include <algorithm>
#include <utility>

namespace perilune::daemon {

Acceptors::Place::Place(Acceptors& owner, const OpenListener& listener)
    : index(listener.index),
      acceptor(
          owner.loop_, listener.socket,
          [this, &owner](UniqueFd socket, net::Address peer) {
            owner.accepted_(std::move(socket), peer, index);
          },
          [&owner](int error) { owner.paused_(error); }, net::Acceptor::Begin::AtStart) {}

Acceptors::Acceptors(event::Loop& loop, Accepted accepted, net::Acceptor::Paused paused)
    : loop_(loop), accepted_(std::move(accepted)), paused_(std::move(paused)) {}

std::list<Acceptors::Place>::iterator Acceptors::find(const net::ListenSocket& socket) noexcept {
  return std::ranges::find_if(
      open_, [&socket](const Place& place) { return &place.acceptor.socket() == &socket; });
}

void Acceptors::prepare(std::vector<OpenListener> wanted) {
  discard();
  for (const OpenListener& listener : wanted) {
    if (find(*listener.socket) == open_.end()) added_.emplace_back(*this, listener);
  }
  wanted_ = std::move(wanted);
  prepared_ = true;
}

void Acceptors::commit() noexcept {
  if (!prepared_) return;
  std::erase_if(open_, [this](const Place& place) {
    return std::ranges::none_of(wanted_, [&place](const OpenListener& listener) {
      return listener.socket.get() == &place.acceptor.socket();
    });
  });
  for (Place& place : added_) place.acceptor.start();
  open_.splice(open_.end(), added_);
  for (const OpenListener& listener : wanted_) find(*listener.socket)->index = listener.index;
  discard();
}

void Acceptors::discard() noexcept {
  added_.clear();
  wanted_.clear();
  prepared_ = false;
}

void Acceptors::clear() noexcept {
  discard();
  open_.clear();
}

}  // namespace perilune::daemon
