#include "stats/own_metrics.hh"

#include <algorithm>
#include <array>
#include <utility>

namespace perilune::stats {

namespace {

constexpr std::array<std::string_view, 3> kKindNames{"counter", "gauge", "histogram"};
constexpr std::array<std::string_view, 2> kOurs{"perilune_", "process_"};
// What Prometheus makes of a histogram's name.
constexpr std::array<std::string_view, 4> kReserved{"_bucket", "_count", "_info", "_sum"};
constexpr std::string_view kCounterSuffix = "_total";

bool is_letter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_name(std::string_view name) noexcept {
  const auto may_follow = [](char c) { return is_letter(c) || (c >= '0' && c <= '9'); };
  return !name.empty() && is_letter(name.front()) && std::ranges::all_of(name, may_follow);
}

std::string_view name_of(OwnMetric::Kind kind) noexcept {
  return kKindNames[static_cast<std::size_t>(kind)];
}

}  // namespace

std::string problem_of_name(std::string_view name, OwnMetric::Kind kind) {
  constexpr std::size_t kLongest = 128;
  if (!is_name(name)) return "a name has letters, digits and '_'";
  if (name.size() > kLongest) return "the name is too long";
  for (const std::string_view prefix : kOurs) {
    if (name.starts_with(prefix)) return "names with '" + std::string(prefix) + "' are Perilune's";
  }
  for (const std::string_view suffix : kReserved) {
    if (name.ends_with(suffix)) return "names with '" + std::string(suffix) + "' are reserved";
  }
  const bool is_counter = kind == OwnMetric::Kind::Counter;
  if (is_counter == name.ends_with(kCounterSuffix)) return {};
  return is_counter ? "a counter's name ends with '_total'" : "only a counter's name ends with '_total'";
}

OwnMetric::OwnMetric(Kind kind, std::vector<double> bounds)
    : kind_(kind),
      bounds_(std::move(bounds)),
      buckets_(std::make_unique<std::atomic<std::uint64_t>[]>(bounds_.size() + 1)) {}

void OwnMetric::observe(double n) noexcept {
  const auto bound = std::ranges::lower_bound(bounds_, n);
  buckets_[static_cast<std::size_t>(bound - bounds_.begin())].fetch_add(1,
                                                                        std::memory_order_relaxed);
  add(n);
}

std::vector<std::uint64_t> OwnMetric::buckets() const {
  std::vector<std::uint64_t> counts;
  for (std::size_t i = 0; i <= bounds_.size(); ++i) {
    counts.push_back(buckets_[i].load(std::memory_order_relaxed));
  }
  return counts;
}

Result<std::shared_ptr<OwnMetric>, Failure> OwnMetrics::open(const std::string& name,
                                                             const std::string& help,
                                                             OwnMetric::Kind kind,
                                                             const std::vector<double>& bounds) {
  if (auto problem = problem_of_name(name, kind); !problem.empty()) {
    return Failure{std::move(problem)};
  }
  if (help.empty()) return Failure{"a help text is needed"};
  const std::scoped_lock lock{mutex_};
  const auto found = metrics_.find(name);
  if (found == metrics_.end() && metrics_.size() >= kMost) return Failure{"too many metrics"};
  if (found == metrics_.end()) {
    auto made = std::make_shared<OwnMetric>(kind, bounds);
    metrics_.emplace(name, Known{help, made});
    return made;
  }
  Known& known = found->second;
  if (known.metric->kind() != kind) {
    return Failure{"'" + name + "' is a " + std::string(name_of(known.metric->kind())) + " already"};
  }
  if (known.metric->bounds() != bounds) {
    return Failure{"'" + name + "' exists with other buckets; only a restart changes that"};
  }
  known.help = help;
  return known.metric;
}

std::vector<OwnMetrics::Entry> OwnMetrics::all() const {
  std::vector<Entry> entries;
  const std::scoped_lock lock{mutex_};
  for (const auto& [name, known] : metrics_) entries.push_back({name, known.help, known.metric});
  return entries;
}

}  // namespace perilune::stats
