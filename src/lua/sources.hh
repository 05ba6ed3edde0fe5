#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "util/failure.hh"
#include "util/result.hh"

namespace perilune::lua {

// The files of one run of the configuration, each read once, so that every worker runs the same
// bytes. The first worker's load reads files; freeze() ends that, and from then on any thread may
// read what is there. Files that nobody had read by then are not part of the configuration.
class Sources {
 public:
  using Text = std::shared_ptr<const std::string>;

  // Relative names belong to the folder of the configuration's main file.
  explicit Sources(std::string_view main_file);

  Result<Text, Failure> read(std::string_view path);
  // Straight from the disk, for what a callback loads long after the start.
  Result<Text, Failure> read_now(std::string_view path) const;

  void freeze() noexcept { frozen_.store(true, std::memory_order_release); }
  const std::string& folder() const noexcept { return folder_; }

  // Puts a file there without a disk; before freeze().
  void put(std::string_view path, std::string text);

 private:
  struct File {
    Text text;  // null: could not be read
    int error;  // errno
  };

  std::string resolve(std::string_view path) const;
  static File load(const std::string& name);

  std::string folder_;
  std::map<std::string, File> files_;
  std::atomic<bool> frozen_{false};
};

}  // namespace perilune::lua
