#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <exception>
#include <stdexcept>

namespace perilune::test {

// What a function returns (0…125) in a process of its own, whose descriptors, limits and
// environment it may spoil; -1 when that process died otherwise.
template <typename Function>
int in_child(Function function) {
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) {
    try {
      _exit(function());
    } catch (const std::exception&) {
      _exit(126);
    }
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) throw std::runtime_error("waitpid");
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace perilune::test
