#include "net/unix_path.hh"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "util/error.hh"
#include "util/scope_exit.hh"

namespace perilune::net {

namespace {

[[noreturn]] void fail(const Address& address, std::string_view why) {
  throw ConfigError(fmt::format("cannot listen on {}: {}", address.text(), why));
}

UniqueFd open_socket(const Address& address, int type) {
  UniqueFd socket{::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket) fail(address, std::strerror(errno));
  return socket;
}

// Replacing the socket of a process that still answers would take its clients away.
void refuse_if_answered(const Address& address, int type) {
  const UniqueFd probe = open_socket(address, type);
  const bool answered = ::connect(probe.value(), address.data(), address.size()) == 0;
  // A live one of another type, or with no room for more.
  if (answered || errno == EAGAIN || errno == EPROTOTYPE)
    fail(address, "in use by another process");
  if (errno != ENOENT && errno != ECONNREFUSED) fail(address, std::strerror(errno));
}

void refuse_other_files(const std::string& path, const Address& address) {
  struct stat file {};
  if (::lstat(path.c_str(), &file) == 0 && !S_ISSOCK(file.st_mode)) {
    fail(address, "a file that is no socket is there");
  }
}

bool same_file(const struct stat& a, const struct stat& b) noexcept {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

}  // namespace

UniqueFd bind_unix_path(const Address& address, int type, PrepareSocket prepare) {
  const std::string path{address.path()};
  refuse_other_files(path, address);
  refuse_if_answered(address, type);
  const std::string temporary = fmt::format("{}.{}", path, ::getpid());
  if (temporary.size() > Address::kMaxUnixName) fail(address, std::strerror(ENAMETOOLONG));
  UniqueFd socket = open_socket(address, type);
  ::unlink(temporary.c_str());
  const Address first = Address::unix_name(temporary);
  if (::bind(socket.value(), first.data(), first.size()) != 0) fail(address, std::strerror(errno));
  ScopeExit remove{[&temporary] { ::unlink(temporary.c_str()); }};
  prepare(socket, temporary);
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail(address, std::strerror(errno));
  remove.disarm();
  return socket;
}

SocketFile::SocketFile(std::string path) : path_(std::move(path)) { ::stat(path_.c_str(), &made_); }

void SocketFile::remove() const noexcept {
  struct stat now {};
  if (::stat(path_.c_str(), &now) == 0 && same_file(now, made_)) ::unlink(path_.c_str());
}

}  // namespace perilune::net
