#include "script/belongings.hh"

#include <algorithm>
#include <utility>

namespace perilune::script {

Belongings::~Belongings() {
  for (const auto& weak : sockets_) {
    if (const auto socket = weak.lock()) socket->close();
  }
  for (const Place& place : places_) leave(place);
}

void Belongings::add(const std::shared_ptr<net::Socket>& socket) {
  sockets_.remove_if([](const auto& weak) {
    const auto known = weak.lock();
    return known == nullptr || !known->is_open();
  });
  sockets_.push_front(socket);
}

bool Belongings::has_place(const shared::Dictionary& dictionary,
                           const std::string& key) const noexcept {
  return std::ranges::any_of(places_, [&](const Place& place) {
    return place.dictionary.get() == &dictionary && place.key == key;
  });
}

void Belongings::add_place(std::shared_ptr<shared::Dictionary> dictionary, std::string key) {
  places_.push_front({std::move(dictionary), std::move(key)});
}

void Belongings::give_back(const shared::Dictionary& dictionary, const std::string& key) {
  places_.remove_if([&](const Place& place) {
    const bool is_it = place.dictionary.get() == &dictionary && place.key == key;
    if (is_it) leave(place);
    return is_it;
  });
}

void Belongings::leave(const Place& place) { place.dictionary->leave(place.key, Clock::now()); }

}  // namespace perilune::script
