#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "util/failure.hh"
#include "util/result.hh"

namespace perilune::stats {

// A metric that a script has made, of all workers; its functions may be called from any thread.
class OwnMetric {
 public:
  enum class Kind : std::uint8_t { Counter, Gauge, Histogram };

  // `bounds` of the buckets, ascending; only of a histogram.
  OwnMetric(Kind kind, std::vector<double> bounds);
  OwnMetric(const OwnMetric&) = delete;
  OwnMetric& operator=(const OwnMetric&) = delete;

  Kind kind() const noexcept { return kind_; }
  const std::vector<double>& bounds() const noexcept { return bounds_; }

  void add(double n) noexcept { value_.fetch_add(n, std::memory_order_relaxed); }
  void set(double n) noexcept { value_.store(n, std::memory_order_relaxed); }
  void observe(double n) noexcept;

  // A counter's or gauge's; of a histogram, the sum of what was observed.
  double value() const noexcept { return value_.load(std::memory_order_relaxed); }
  // Observations in each bucket; the last has no bound.
  std::vector<std::uint64_t> buckets() const;

 private:
  const Kind kind_;
  const std::vector<double> bounds_;
  std::atomic<double> value_{0};
  std::unique_ptr<std::atomic<std::uint64_t>[]> buckets_;
};

// What scripts count, for the whole process, by name and through reloads.
class OwnMetrics {
 public:
  static constexpr std::size_t kMost = 1000;

  OwnMetrics() = default;
  OwnMetrics(const OwnMetrics&) = delete;
  OwnMetrics& operator=(const OwnMetrics&) = delete;

  // The one of that name; its help is what was said last. Fails when it is of another kind or has
  // other bounds, when the name is none, and when there are too many.
  Result<std::shared_ptr<OwnMetric>, Failure> open(const std::string& name, const std::string& help,
                                                   OwnMetric::Kind kind,
                                                   const std::vector<double>& bounds = {});

  struct Entry {
    std::string name;
    std::string help;
    std::shared_ptr<const OwnMetric> metric;
  };
  std::vector<Entry> all() const;

 private:
  struct Known {
    std::string help;
    std::shared_ptr<OwnMetric> metric;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Known, std::less<>> metrics_;
};

// Empty if a metric of that kind may have the name; else why not.
std::string problem_of_name(std::string_view name, OwnMetric::Kind kind);

}  // namespace perilune::stats
