#pragma once

// shared: what the scripts of all workers share: dictionaries, and the process's list of them by
// name. Knows neither Lua nor loops; everything may be called from any thread.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>

#include "util/clock.hh"
#include "util/unique_function.hh"

namespace perilune::shared {

using Value = std::variant<bool, double, std::string>;

struct Options {
  std::uint64_t capacity = 16ULL << 20;  // bytes: of keys, of texts, and kOverhead for each entry
  bool evict = false;                    // when full: what was not used for longest makes room
  bool operator==(const Options&) const = default;
};

enum class Outcome : std::uint8_t { Done, Refused, Full };

// Keys and values that may expire, in shards with a lock each. Every method is atomic. Times come
// from the caller; they are Clock's in the daemon.
class Dictionary {
 public:
  static constexpr std::size_t kOverhead = 192;  // more than an entry needs besides its texts
  using Time = Clock::time_point;
  static constexpr Time kNever = Time::max();

  explicit Dictionary(const Options& options) noexcept : options_(options) {}
  Dictionary(const Dictionary&) = delete;
  Dictionary& operator=(const Dictionary&) = delete;

  const Options& options() const noexcept { return options_; }
  std::uint64_t used() const noexcept { return used_.load(std::memory_order_relaxed); }

  std::optional<Value> get(std::string_view key, Time now);
  Outcome set(std::string_view key, Value value, Time expires, Time now);
  // Whether the key was there.
  bool remove(std::string_view key, Time now);
  // A key that is not there begins at 0 and gets `expires`; another one keeps its own. Refused: the
  // value is no number.
  Outcome increment(std::string_view key, double by, Time expires, Time now, double& result);

  // --- for limits

  struct Bucket {
    double rate = 1;   // tokens a second
    double burst = 1;  // tokens when it is full
  };
  // Takes tokens, or gives them back if there are less than none; `left` is what remains, or below
  // zero what is missing when they are refused. A bucket is gone once it is full again.
  Outcome take(std::string_view key, double tokens, const Bucket& bucket, Time now, double& left);
  // Counts somebody in, at most `most`; whoever was let in must leave.
  Outcome enter(std::string_view key, std::uint32_t most, Time now);
  void leave(std::string_view key, Time now);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  using Keys = std::list<const std::string*>;
  struct Entry {
    Value value;
    Time expires = kNever;
    Keys::iterator use;  // only with `evict`
  };
  using Entries = std::unordered_map<std::string, Entry, Hash, std::equal_to<>>;
  struct Shard {
    std::mutex mutex;
    Entries entries;
    std::set<std::pair<Time, const std::string*>> expiring;
    Keys by_use;  // least recently used first
  };
  // What becomes of an entry; none: it stays as it is.
  struct Change {
    Value value;
    Time expires;
  };
  using Decide = UniqueFunction<std::optional<Change>(const Entry* entry)>;

  static constexpr std::size_t kShards = 16;
  static constexpr int kTries = 4;

  Shard& shard_of(std::string_view key) noexcept { return shards_[index_of(key)]; }
  static std::size_t index_of(std::string_view key) noexcept { return Hash{}(key) % kShards; }
  static std::size_t size_of(std::string_view key, const Value& value) noexcept;

  // Refused: `decide` made no change.
  Outcome update(std::string_view key, Time now, Decide decide);
  bool try_to_store(Shard& shard, Entries::iterator found, std::string_view key, Change& change,
                    std::size_t& missing);
  bool reserve(std::size_t bytes) noexcept;
  void make_room(std::size_t bytes, std::size_t first_shard, Time now);
  void evict_from(Shard& shard);

  // With the shard's lock held.
  Entries::iterator find(Shard& shard, std::string_view key, Time now);
  void touch(Shard& shard, Entry& entry);
  void store(Shard& shard, Entries::iterator found, std::string_view key, Change change);
  void erase(Shard& shard, Entries::iterator found);
  void erase_expired(Shard& shard, Time now);

  const Options options_;
  std::atomic<std::uint64_t> used_{0};
  std::array<Shard, kShards> shards_;
};

}  // namespace perilune::shared
