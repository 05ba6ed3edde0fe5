#pragma once

#include <forward_list>
#include <memory>
#include <string>

#include "net/socket.hh"
#include "shared/dictionary.hh"

namespace perilune::script {

// What a session's callbacks took and what must not outlive the session: sockets are closed, places
// given back.
class Belongings {
 public:
  Belongings() = default;
  Belongings(const Belongings&) = delete;
  Belongings& operator=(const Belongings&) = delete;
  ~Belongings();

  void add(const std::shared_ptr<net::Socket>& socket);

  // A place among those whom Dictionary::enter() let in; a session has one for a key at most.
  bool has_place(const shared::Dictionary& dictionary, const std::string& key) const noexcept;
  void add_place(std::shared_ptr<shared::Dictionary> dictionary, std::string key);
  void give_back(const shared::Dictionary& dictionary, const std::string& key);

 private:
  struct Place {
    std::shared_ptr<shared::Dictionary> dictionary;
    std::string key;
  };
  static void leave(const Place& place);

  std::forward_list<std::weak_ptr<net::Socket>> sockets_;
  std::forward_list<Place> places_;
};

}  // namespace perilune::script
