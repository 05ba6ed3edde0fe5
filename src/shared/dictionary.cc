#include "shared/dictionary.hh"

#include <algorithm>
#include <chrono>

namespace perilune::shared {

namespace {

using Seconds = std::chrono::duration<double>;

Dictionary::Time after(Dictionary::Time time, double seconds) {
  // What lies further away is never.
  constexpr double kMost = 1e9;
  if (seconds > kMost) return Dictionary::kNever;
  return time + std::chrono::duration_cast<Clock::duration>(Seconds(seconds));
}

}  // namespace

std::size_t Dictionary::size_of(std::string_view key, const Value& value) noexcept {
  const auto* const text = std::get_if<std::string>(&value);
  return kOverhead + key.size() + (text != nullptr ? text->size() : 0);
}

std::optional<Value> Dictionary::get(std::string_view key, Time now) {
  Shard& shard = shard_of(key);
  const std::scoped_lock lock{shard.mutex};
  const auto found = find(shard, key, now);
  if (found == shard.entries.end()) return std::nullopt;
  touch(shard, found->second);
  return found->second.value;
}

Outcome Dictionary::set(std::string_view key, Value value, Time expires, Time now) {
  return update(key, now, [&value, expires](const Entry*) { return Change{value, expires}; });
}

bool Dictionary::remove(std::string_view key, Time now) {
  Shard& shard = shard_of(key);
  const std::scoped_lock lock{shard.mutex};
  const auto found = find(shard, key, now);
  if (found == shard.entries.end()) return false;
  erase(shard, found);
  return true;
}

Outcome Dictionary::increment(std::string_view key, double by, Time expires, Time now,
                              double& result) {
  return update(key, now, [&](const Entry* entry) -> std::optional<Change> {
    if (entry == nullptr) return Change{result = by, expires};
    const auto* const number = std::get_if<double>(&entry->value);
    if (number == nullptr) return std::nullopt;
    return Change{result = *number + by, entry->expires};
  });
}

// The value is the number of seconds of the clock at which the bucket is full again.
Outcome Dictionary::take(std::string_view key, double tokens, const Bucket& bucket, Time now,
                         double& left) {
  const double time = Seconds(now.time_since_epoch()).count();
  return update(key, now, [&](const Entry* entry) -> std::optional<Change> {
    const auto* const stored = entry == nullptr ? nullptr : std::get_if<double>(&entry->value);
    const double full_at = stored == nullptr ? time : std::max(*stored, time);
    left = std::min(bucket.burst, bucket.burst - (full_at - time) * bucket.rate - tokens);
    // The clock's precision is not the script's fault.
    constexpr double kTolerance = 1e-6;
    if (left < -kTolerance || tokens == 0 || (stored == nullptr && tokens < 0)) return std::nullopt;
    const double next = std::max(full_at + tokens / bucket.rate, time);
    return Change{next, after(now, next - time)};
  });
}

Outcome Dictionary::enter(std::string_view key, std::uint32_t most, Time now) {
  return update(key, now, [most](const Entry* entry) -> std::optional<Change> {
    const auto* const count = entry == nullptr ? nullptr : std::get_if<double>(&entry->value);
    const double inside = count == nullptr ? 0 : *count;
    if (inside >= most) return std::nullopt;
    return Change{inside + 1, kNever};
  });
}

void Dictionary::leave(std::string_view key, Time now) {
  Shard& shard = shard_of(key);
  const std::scoped_lock lock{shard.mutex};
  const auto found = find(shard, key, now);
  if (found == shard.entries.end()) return;
  auto* const count = std::get_if<double>(&found->second.value);
  if (count == nullptr) return;
  if (--*count < 1) erase(shard, found);
}

// Room is made without the shard's lock, as it may come from any shard; whoever took it meanwhile
// is a reason to try again, but not for ever.
Outcome Dictionary::update(std::string_view key, Time now, Decide decide) {
  Shard& shard = shard_of(key);
  for (int i = 0; i < kTries; ++i) {
    std::size_t missing = 0;
    {
      const std::scoped_lock lock{shard.mutex};
      const auto found = find(shard, key, now);
      const Entry* const entry = found == shard.entries.end() ? nullptr : &found->second;
      auto change = decide(entry);
      if (!change) return Outcome::Refused;
      if (try_to_store(shard, found, key, *change, missing)) return Outcome::Done;
      if (size_of(key, change->value) > options_.capacity) return Outcome::Full;
    }
    make_room(missing, index_of(key), now);
  }
  return Outcome::Full;
}

bool Dictionary::try_to_store(Shard& shard, Entries::iterator found, std::string_view key,
                              Change& change, std::size_t& missing) {
  const bool is_new = found == shard.entries.end();
  const std::size_t before = is_new ? 0 : size_of(key, found->second.value);
  const std::size_t after = size_of(key, change.value);
  if (after > before && !reserve(after - before)) {
    missing = after - before;
    return false;
  }
  if (after < before) used_.fetch_sub(before - after, std::memory_order_relaxed);
  store(shard, found, key, std::move(change));
  return true;
}

bool Dictionary::reserve(std::size_t bytes) noexcept {
  std::uint64_t used = used_.load(std::memory_order_relaxed);
  do {
    if (bytes > options_.capacity || used > options_.capacity - bytes) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
  return true;
}

void Dictionary::make_room(std::size_t bytes, std::size_t first_shard, Time now) {
  for (Shard& shard : shards_) {
    const std::scoped_lock lock{shard.mutex};
    erase_expired(shard, now);
  }
  if (!options_.evict) return;
  const auto has_room = [this, bytes] { return used() + bytes <= options_.capacity; };
  // A round takes one entry of each shard; when it finds none there are none.
  for (std::uint64_t before = used() + 1; !has_room() && used() < before;) {
    before = used();
    for (std::size_t i = 0; i < kShards && !has_room(); ++i) {
      evict_from(shards_[(first_shard + i) % kShards]);
    }
  }
}

void Dictionary::evict_from(Shard& shard) {
  const std::scoped_lock lock{shard.mutex};
  if (shard.by_use.empty()) return;
  erase(shard, shard.entries.find(*shard.by_use.front()));
}

Dictionary::Entries::iterator Dictionary::find(Shard& shard, std::string_view key, Time now) {
  const auto found = shard.entries.find(key);
  if (found == shard.entries.end() || found->second.expires > now) return found;
  erase(shard, found);
  return shard.entries.end();
}

void Dictionary::touch(Shard& shard, Entry& entry) {
  if (options_.evict) shard.by_use.splice(shard.by_use.end(), shard.by_use, entry.use);
}

// The bytes are reserved.
void Dictionary::store(Shard& shard, Entries::iterator found, std::string_view key, Change change) {
  if (found == shard.entries.end()) {
    found = shard.entries.emplace(key, Entry{}).first;
    if (options_.evict) {
      found->second.use = shard.by_use.insert(shard.by_use.end(), &found->first);
    }
  } else {
    shard.expiring.erase({found->second.expires, &found->first});
    touch(shard, found->second);
  }
  found->second.value = std::move(change.value);
  found->second.expires = change.expires;
  if (change.expires != kNever) shard.expiring.emplace(change.expires, &found->first);
}

void Dictionary::erase(Shard& shard, Entries::iterator found) {
  used_.fetch_sub(size_of(found->first, found->second.value), std::memory_order_relaxed);
  shard.expiring.erase({found->second.expires, &found->first});
  if (options_.evict) shard.by_use.erase(found->second.use);
  shard.entries.erase(found);
}

void Dictionary::erase_expired(Shard& shard, Time now) {
  while (!shard.expiring.empty() && shard.expiring.begin()->first <= now) {
    erase(shard, shard.entries.find(*shard.expiring.begin()->second));
  }
}

}  // namespace perilune::shared
