#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "shared/dictionary.hh"
#include "util/failure.hh"
#include "util/result.hh"

namespace perilune::shared {

// The dictionaries of the process by name. They stay when no script uses them, so that a reload
// loses nothing.
class Registry {
 public:
  static constexpr std::size_t kMost = 1000;

  // The dictionary of this name, made if there is none. Fails when there is one with other options;
  // without options any will do.
  Result<std::shared_ptr<Dictionary>, Failure> open(const std::string& name,
                                                    const std::optional<Options>& options);

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Dictionary>> dictionaries_;
};

}  // namespace perilune::shared
