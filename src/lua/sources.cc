#include "lua/sources.hh"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "util/fd.hh"

namespace perilune::lua {

namespace {

Failure cannot_open(std::string_view path, const char* why) {
  return Failure{"cannot open " + std::string(path) + ": " + why};
}

// The whole file, or nothing with errno set.
bool read_file(const std::string& path, std::string& text) {
  const UniqueFd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file) return false;
  struct stat status {};
  if (::fstat(file.value(), &status) != 0) return false;
  if (S_ISDIR(status.st_mode)) {
    errno = EISDIR;
    return false;
  }
  char chunk[16384];
  for (;;) {
    const ssize_t n = ::read(file.value(), chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    if (n == 0) return true;
    text.append(chunk, static_cast<std::size_t>(n));
  }
}

}  // namespace

Sources::Sources(std::string_view main_file)
    : folder_(std::filesystem::absolute(std::filesystem::path(main_file)).parent_path()) {}

std::string Sources::resolve(std::string_view path) const {
  return (std::filesystem::path(folder_) / std::filesystem::path(path)).lexically_normal().string();
}

Result<Sources::Text, Failure> Sources::read(std::string_view path) {
  const std::string name = resolve(path);
  auto found = files_.find(name);
  if (found == files_.end()) {
    if (frozen_.load(std::memory_order_acquire)) {
      return cannot_open(path, "the first worker did not read it");
    }
    found = files_.emplace(name, load(name)).first;
  }
  const File& file = found->second;
  if (file.text == nullptr) return cannot_open(path, std::strerror(file.error));
  return file.text;
}

Result<Sources::Text, Failure> Sources::read_now(std::string_view path) const {
  const std::string name = resolve(path);
  if (const auto found = files_.find(name); found != files_.end() && found->second.text) {
    return found->second.text;
  }
  File file = load(name);
  if (file.text == nullptr) return cannot_open(path, std::strerror(file.error));
  return std::move(file.text);
}

Sources::File Sources::load(const std::string& name) {
  std::string text;
  if (!read_file(name, text)) return {nullptr, errno};
  return {std::make_shared<const std::string>(std::move(text)), 0};
}

void Sources::put(std::string_view path, std::string text) {
  files_[resolve(path)] = File{std::make_shared<const std::string>(std::move(text)), 0};
}

}  // namespace perilune::lua
