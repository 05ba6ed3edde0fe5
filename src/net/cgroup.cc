#include "net/cgroup.hh"

#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "net/peer_credentials.hh"
#include "util/parse.hh"

namespace perilune::net {

namespace {

// Longer than any cgroup path that can be opened, and than fdinfo.
constexpr std::size_t kMaxProcFile = 16384;
constexpr std::size_t kMaxAttribute = 4096;

Failure failed(const std::string& what, int error = errno) {
  return {what + ": " + std::generic_category().message(error)};
}

Result<std::string, Failure> read_file(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return failed(path);
  std::string text(kMaxProcFile, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t n = read(file.value(), text.data() + size, text.size() - size);
    if (n < 0) return failed(path);
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  text.resize(size);
  return text;
}

// What follows `label` on the line that starts with it.
std::optional<std::string_view> line_after(std::string_view text, std::string_view label) noexcept {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with(label)) return line.substr(label.size());
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return std::nullopt;
}

// A pidfd becomes readable when its process ends.
bool is_running(const UniqueFd& pidfd) noexcept {
  pollfd waiting{};
  waiting.fd = pidfd.value();
  waiting.events = POLLIN;
  return poll(&waiting, 1, 0) == 0;
}

// The pid that the descriptor's process has in our procfs; -1 when it is gone.
Result<std::int64_t, Failure> pid_of(const UniqueFd& pidfd) {
  const auto info = read_file("/proc/self/fdinfo/" + std::to_string(pidfd.value()));
  if (!info) return info.error();
  const auto value = line_after(*info, "Pid:\t");
  const auto pid = parse_unsigned(value.value_or(std::string_view()));
  return pid ? static_cast<std::int64_t>(*pid) : std::int64_t{-1};
}

Failure gone(pid_t pid) { return {"process " + std::to_string(pid) + " is gone"}; }

// That the pid still means the process that connected; an empty pidfd cannot tell.
std::optional<Failure> check_identity(const UniqueFd& pidfd, pid_t pid) {
  if (!pidfd) return std::nullopt;
  const auto current = pid_of(pidfd);
  if (!current) return current.error();
  if (*current != pid || !is_running(pidfd)) return gone(pid);
  return std::nullopt;
}

Result<std::optional<std::string>, Failure> cgroup_of(pid_t pid) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/cgroup");
  if (!text) return text.error();
  const auto path = unified_cgroup_path(*text);
  return path ? std::optional<std::string>(*path) : std::nullopt;
}

// The kernel releases a process's pid before its last descriptors: without the second check the
// file read could have been that of a successor.
Result<std::optional<std::string>, Failure> cgroup_of_peer(int socket, pid_t pid) {
  const auto pidfd = peer_pidfd(socket);
  if (!pidfd) return pidfd.error();
  if (const auto failure = check_identity(*pidfd, pid)) return *failure;
  auto path = cgroup_of(pid);
  if (const auto failure = check_identity(*pidfd, pid)) return *failure;
  return path;
}

}  // namespace

std::optional<std::string_view> unified_cgroup_path(std::string_view proc_cgroup) noexcept {
  const auto path = line_after(proc_cgroup, "0::");
  return path && path->starts_with('/') ? path : std::nullopt;
}

Result<std::optional<std::string>, Failure> peer_cgroup(int socket) {
  const auto peer = peer_credentials(socket);
  if (!peer) return peer.error();
  if (!*peer) return std::optional<std::string>();
  if ((*peer)->pid <= 0) return Failure{"the peer's process is not in our process namespace"};
  return cgroup_of_peer(socket, (*peer)->pid);
}

std::optional<std::string_view> cgroup_parent(std::string_view path) noexcept {
  const std::size_t slash = path.rfind('/');
  if (slash == path.npos || slash == 0) return std::nullopt;
  return path.substr(0, slash);
}

Result<UniqueFd, Failure> open_cgroup(std::string_view path, const char* mount) {
  const std::string name = std::string(mount) + std::string(path);
  const UniqueFd root(open(mount, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return failed(mount);
  const std::string relative(path.substr(std::min(path.find_first_not_of('/'), path.size())));
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const long fd = syscall(SYS_openat2, root.value(), relative.c_str(), &how, sizeof how);
  if (fd < 0) return failed(name);
  return UniqueFd(static_cast<int>(fd));
}

std::optional<std::string> read_xattr(int directory, std::string_view name) {
  const bool has_namespace = name.find('.') != name.npos;
  const std::string full = (has_namespace ? "" : "user.") + std::string(name);
  std::array<char, kMaxAttribute> value;
  const ssize_t size = fgetxattr(directory, full.c_str(), value.data(), value.size());
  if (size < 0) return std::nullopt;
  return std::string(value.data(), static_cast<std::size_t>(size));
}

}  // namespace perilune::net
