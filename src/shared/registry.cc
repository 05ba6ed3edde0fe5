#include "shared/registry.hh"

#include <fmt/format.h>

namespace perilune::shared {

Result<std::shared_ptr<Dictionary>, Failure> Registry::open(const std::string& name,
                                                            const std::optional<Options>& options) {
  const std::scoped_lock lock{mutex_};
  const auto found = dictionaries_.find(name);
  if (found == dictionaries_.end()) {
    if (dictionaries_.size() == kMost) return Failure{"too many names"};
    auto made = std::make_shared<Dictionary>(options.value_or(Options{}));
    dictionaries_.emplace(name, made);
    return made;
  }
  const Options& there = found->second->options();
  if (!options || *options == there) return found->second;
  return Failure{
      fmt::format("'{}' exists with capacity = {} and evict = {}; only a restart changes "
                  "that",
                  name, there.capacity, there.evict)};
}

}  // namespace perilune::shared
