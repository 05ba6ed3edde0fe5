#pragma once

#include <unistd.h>

#include <stdexcept>
#include <string>

#include "util/fd.hh"

namespace perilune::test {

// A pipe as the place where lines go; each test's text is far below the pipe's capacity.
class Capture {
 public:
  Capture() {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("pipe");
    reader_ = UniqueFd(ends[0]);
    writer_ = UniqueFd(ends[1]);
  }

  int fd() const noexcept { return writer_.value(); }
  int reader() const noexcept { return reader_.value(); }
  void close_reader() noexcept { reader_.reset(); }

  // All that was written; nothing can be written afterwards.
  std::string finish() {
    writer_.reset();
    std::string text;
    char buffer[4096];
    for (ssize_t n = 0; (n = read(reader_.value(), buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<std::size_t>(n));
    }
    return text;
  }

 private:
  UniqueFd reader_;
  UniqueFd writer_;
};

}  // namespace perilune::test
