#include "cluster/policies.hh"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "cluster/hash.hh"

namespace perilune::cluster {

namespace {

using Candidates = std::span<const Candidate>;

// 2^64 divided by the golden ratio: its multiples fill the circle evenly, however many there are.
constexpr std::uint64_t kGoldenStep = 0x9E3779B97F4A7C15U;

bool weigh_the_same(Candidates candidates) noexcept {
  return std::ranges::all_of(candidates, [&candidates](const Candidate& candidate) {
    return candidate.weight == candidates.front().weight;
  });
}

// The candidate whose share of all weights lies at this part (of 2^64) of them.
std::size_t at_part(Candidates candidates, std::uint64_t part) noexcept {
  const auto total =
      std::accumulate(candidates.begin(), candidates.end(), std::uint64_t{0},
                      [](std::uint64_t sum, const Candidate& c) { return sum + c.weight; });
  __extension__ using Wide = unsigned __int128;
  auto left = static_cast<std::uint64_t>(Wide{part} * total >> 64);
  std::size_t index = 0;
  while (left >= candidates[index].weight) left -= candidates[index++].weight;
  return index;
}

// Logarithmic weighting: a node is the smallest with a probability of its share of the weights, and
// a changed weight moves no more keys than it must. Equal weights leave the order of the hashes.
double weighted(std::uint64_t hash, std::uint32_t weight) noexcept {
  const double part = std::ldexp(static_cast<double>(hash), -64);
  return -std::log1p(-part) / weight;
}

std::size_t smallest_hash(Candidates candidates, Bytes key) {
  using Rank = std::pair<double, std::uint64_t>;
  const bool even = weigh_the_same(candidates);
  Rank best{std::numeric_limits<double>::infinity(), std::numeric_limits<std::uint64_t>::max()};
  std::size_t found = 0;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const std::uint64_t hash = rendezvous_hash(candidates[i].hashed, key);
    const Rank rank{even ? 0 : weighted(hash, candidates[i].weight), hash};
    if (rank >= best) continue;
    best = rank;
    found = i;
  }
  return found;
}

std::size_t consistent_hash(Candidates candidates, const Question& question) {
  return smallest_hash(candidates, question.key);
}

std::size_t source_hash(Candidates candidates, const Question& question) {
  return smallest_hash(candidates, question.source);
}

std::size_t round_robin(Candidates candidates, const Question& question) {
  if (weigh_the_same(candidates)) return question.turn % candidates.size();
  return at_part(candidates, question.turn * kGoldenStep);
}

// Whether one more session weighs less on the one than on the other.
bool is_less_busy(const Candidate& one, const Candidate& other) noexcept {
  return (one.sessions + 1) * other.weight < (other.sessions + 1) * one.weight;
}

// Among equally busy ones it goes round.
std::size_t least_connections(Candidates candidates, const Question& question) {
  std::size_t best = question.turn % candidates.size();
  for (std::size_t step = 1; step < candidates.size(); ++step) {
    const std::size_t i = (question.turn + step) % candidates.size();
    if (is_less_busy(candidates[i], candidates[best])) best = i;
  }
  return best;
}

std::size_t random(Candidates candidates, const Question& question) {
  return at_part(candidates, question.random);
}

std::size_t first(Candidates, const Question&) { return 0; }

constexpr Policy kPolicies[] = {
    {"consistent_hash", consistent_hash, true},
    {"first", first, true},
    {"least_connections", least_connections},
    {"random", random},
    {"round_robin", round_robin},
    {"source_hash", source_hash, true},
};

}  // namespace

std::span<const Policy> policies() noexcept { return kPolicies; }

const Policy* find_policy(std::string_view name) noexcept {
  const auto* const found = std::ranges::find(kPolicies, name, &Policy::name);
  return found == std::end(kPolicies) ? nullptr : found;
}

std::vector<std::string_view> policy_names() {
  std::vector<std::string_view> names;
  for (const Policy& policy : kPolicies) names.push_back(policy.name);
  return names;
}

}  // namespace perilune::cluster
