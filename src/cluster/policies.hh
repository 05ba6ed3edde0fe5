#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "util/bytes.hh"

namespace perilune::cluster {

// A node that a client can be sent to, as a policy sees it.
struct Candidate {
  Bytes hashed;  // what of it is hashed
  std::uint32_t weight = 1;
  std::uint64_t sessions = 0;
};

// Who asks for a node.
struct Question {
  Bytes key;                 // consistent_hash
  Bytes source;              // source_hash
  std::uint64_t turn = 0;    // counts the questions to this cluster
  std::uint64_t random = 0;  // evenly distributed
};

// How a node is chosen among equally good ones.
struct Policy {
  using Choose = std::size_t (*)(std::span<const Candidate> candidates, const Question& question);

  std::string_view name;  // as scripts write it
  Choose choose;          // an index; there is at least one candidate
  // The same client is always sent to the same node while that is there.
  bool is_sticky = false;
};

// The first is the default.
std::span<const Policy> policies() noexcept;
const Policy* find_policy(std::string_view name) noexcept;
std::vector<std::string_view> policy_names();

}  // namespace perilune::cluster
