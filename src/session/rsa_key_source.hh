#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "auth/rsa_key.hh"
#include "event/loop.hh"
#include "event/task.hh"

namespace perilune::session {

// The process's key for passwords that come over plain connections, made when the first client
// needs it. Shared by threads.
class RsaKeySource {
 public:
  // Makes the key on libuv's thread pool if there is none yet. Throws std::runtime_error if that
  // fails.
  static event::Task<std::shared_ptr<const auth::RsaKey>> key(std::shared_ptr<RsaKeySource> source,
                                                              event::Loop& loop);

 private:
  void make();

  std::once_flag once_;  // waited for on threads of the pool only
  std::shared_ptr<const auth::RsaKey> key_;
};

}  // namespace perilune::session
