#include "cluster/policies.hh"

#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "cluster/hash.hh"
#include "support/catch.hh"
#include "unit/cluster/stage.hh"

namespace perilune::cluster {

namespace {

constexpr int kConnections = 10000;

// Candidates of these weights at 127.0.0.2, 127.0.0.3, …
class Field {
 public:
  explicit Field(const std::vector<std::uint32_t>& weights) {
    for (std::size_t i = 0; i < weights.size(); ++i) {
      hashed_.push_back(hashed_bytes(test::endpoint("127.0.0." + std::to_string(i + 2))));
      counts.push_back(0);
    }
    for (std::size_t i = 0; i < weights.size(); ++i) {
      candidates.push_back({hashed_[i], weights[i], 0});
    }
  }

  // Sends a client somewhere, for as long as the field lives.
  std::size_t ask(std::string_view policy, const Question& question) {
    const std::size_t index = find_policy(policy)->choose(candidates, question);
    ++counts[index];
    ++candidates[index].sessions;
    return index;
  }

  std::vector<Candidate> candidates;
  std::vector<int> counts;

 private:
  std::vector<Buffer> hashed_;
};

// How far the worst share is from its weight, in parts of all clients.
double error_of(const Field& field) {
  double total = 0;
  for (const Candidate& candidate : field.candidates) total += candidate.weight;
  double worst = 0;
  for (std::size_t i = 0; i < field.counts.size(); ++i) {
    const double wanted = field.candidates[i].weight / total;
    worst = std::max(worst, std::abs(wanted - field.counts[i] / double{kConnections}));
  }
  return worst;
}

}  // namespace

TEST_CASE("policies: balance by the weights", "[cluster]") {
  const std::string policy = GENERATE(as<std::string>{}, "consistent_hash", "least_connections",
                                      "random", "round_robin", "source_hash");
  const auto weights =
      GENERATE(std::vector<std::uint32_t>{1, 1}, std::vector<std::uint32_t>{1, 1, 1},
               std::vector<std::uint32_t>{3, 1}, std::vector<std::uint32_t>{10, 5, 1});
  CAPTURE(policy, weights.size(), weights.front());
  Field field{weights};
  std::mt19937_64 random{17};
  for (int i = 0; i < kConnections; ++i) {
    const std::string name = "web" + std::to_string(i);
    Question question;
    question.key = question.source = as_bytes(name);
    question.turn = static_cast<std::uint64_t>(i);
    question.random = random();
    field.ask(policy, question);
  }
  CHECK(error_of(field) < 0.01);
}

// The order in which myproxy prefers three nodes, as Python computes it.
TEST_CASE("policies: consistent_hash prefers nodes in myproxy's order", "[cluster]") {
  const std::map<std::string, std::vector<std::string>> expected{
      {"anna", {"127.0.0.2", "127.0.0.3", "2001:db8::7"}},
      {"berta", {"127.0.0.3", "127.0.0.2", "2001:db8::7"}},
      {"carla", {"127.0.0.2", "127.0.0.3", "2001:db8::7"}},
      {"dora", {"2001:db8::7", "127.0.0.3", "127.0.0.2"}},
      {"emil", {"127.0.0.3", "2001:db8::7", "127.0.0.2"}},
      {"heinz", {"2001:db8::7", "127.0.0.2", "127.0.0.3"}},
      {"", {"127.0.0.2", "127.0.0.3", "2001:db8::7"}},
      {"account-17", {"127.0.0.3", "2001:db8::7", "127.0.0.2"}},
  };
  const std::uint32_t weight = GENERATE(1U, 7U);
  for (const auto& [key, order] : expected) {
    std::vector<std::string> left{"127.0.0.2", "127.0.0.3", "2001:db8::7"};
    for (const std::string& wanted : order) {
      std::vector<Buffer> hashed;
      std::vector<Candidate> candidates;
      for (const std::string& text : left) hashed.push_back(hashed_bytes(test::endpoint(text)));
      for (const Buffer& bytes : hashed) candidates.push_back({bytes, weight, 0});
      Question question;
      question.key = as_bytes(key);
      const std::size_t found = find_policy("consistent_hash")->choose(candidates, question);
      CAPTURE(key);
      CHECK(left[found] == wanted);
      std::erase(left, wanted);
    }
  }
}

TEST_CASE("policies: a heavier node takes keys from others and gives none away", "[cluster]") {
  Field before{{2, 2, 2}};
  Field after{{2, 3, 2}};
  for (int i = 0; i < 1000; ++i) {
    const std::string name = "account-" + std::to_string(i);
    Question question;
    question.key = as_bytes(name);
    const std::size_t was = before.ask("consistent_hash", question);
    const std::size_t is = after.ask("consistent_hash", question);
    CHECK((is == was || is == 1));
  }
}

TEST_CASE("policies: round_robin goes round where all weigh the same", "[cluster]") {
  Field field{{2, 2, 2}};
  for (std::uint64_t turn = 0; turn < 9; ++turn) {
    Question question;
    question.turn = turn;
    CHECK(field.ask("round_robin", question) == turn % 3);
  }
}

TEST_CASE("policies: round_robin mixes where weights differ", "[cluster]") {
  Field field{{1, 1, 2}};
  std::size_t longest = 0;
  std::size_t run = 0;
  std::size_t last = 3;
  for (std::uint64_t turn = 0; turn < 400; ++turn) {
    Question question;
    question.turn = turn;
    const std::size_t index = field.ask("round_robin", question);
    run = index == last ? run + 1 : 1;
    last = index;
    longest = std::max(longest, run);
  }
  CHECK(longest <= 2);
}

TEST_CASE("policies: least_connections looks at what is open", "[cluster]") {
  Field field{{1, 3}};
  field.candidates[0].sessions = 2;
  field.candidates[1].sessions = 5;
  CHECK(field.ask("least_connections", {}) == 1);
  field.candidates[1].sessions = 12;
  CHECK(field.ask("least_connections", {}) == 0);
}

TEST_CASE("policies: first is the first", "[cluster]") {
  Field field{{1, 100}};
  CHECK(field.ask("first", {}) == 0);
}

TEST_CASE("policies: are found by name, the default comes first", "[cluster]") {
  CHECK(policies().front().name == "consistent_hash");
  CHECK(find_policy("source_hash")->is_sticky);
  CHECK(find_policy("sourcehash") == nullptr);
  CHECK(policy_names().size() == 6);
}

}  // namespace perilune::cluster
