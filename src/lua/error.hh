#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace perilune::lua {

// A Lua error on the C++ side, or one that a guarded function raises in Lua.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, std::string traceback = {})
      : std::runtime_error(message), traceback_(std::move(traceback)) {}
  const std::string& traceback() const noexcept { return traceback_; }

 private:
  std::string traceback_;
};

// Raised as "bad argument #1 to 'sleep' (…)"; `index` counts what the script wrote, without self.
class ArgumentError : public Error {
 public:
  ArgumentError(int index, const std::string& what) : Error(what), index_(index) {}
  int index() const noexcept { return index_; }

 private:
  int index_;
};

}  // namespace perilune::lua
