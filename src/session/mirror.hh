#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "session/decision.hh"
#include "session/session.hh"
#include "util/bytes.hh"

namespace perilune::session {

// Copies of what one client sends, for whoever wants to see it. The session never feels a target:
// its connection is made in the background, what it answers is thrown away, and when it breaks or
// has too much waiting it is given up for the rest of the session, because a stream with a hole in
// it is no copy. Used on the session's thread.
class Mirror {
 public:
  // A target that has more waiting when more arrives is given up.
  static constexpr std::size_t kMaxWaiting = std::size_t{1} << 20;

  Mirror(Session& session, const std::vector<Target>& targets);
  Mirror(const Mirror&) = delete;
  Mirror& operator=(const Mirror&) = delete;
  // What waits is still delivered, for some seconds, by the session's background.
  ~Mirror();

  void copy(Bytes data);

 private:
  class Copy;

  std::vector<std::shared_ptr<Copy>> copies_;  // each shared with its task
};

// Null: there are no targets.
std::unique_ptr<Mirror> make_mirror(Session& session, const std::vector<Target>& targets);

}  // namespace perilune::session
