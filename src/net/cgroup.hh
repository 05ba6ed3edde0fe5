#pragma once

// Control groups of clients (version 2, the unified hierarchy) and their extended attributes, by
// which a container manager can tell a proxy whose process it is talking to. Reads procfs and
// sysfs, which answer from memory.

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "util/failure.hh"
#include "util/fd.hh"
#include "util/result.hh"

namespace perilune::net {

inline constexpr const char* kCgroupMount = "/sys/fs/cgroup";

// The unified hierarchy's path in the text of /proc/PID/cgroup: what follows "0::" on its line.
std::optional<std::string_view> unified_cgroup_path(std::string_view proc_cgroup) noexcept;

// The group of the process behind a unix socket; none for TCP and where no unified hierarchy is. A
// failure when the process is gone or cannot be told from a successor with its pid.
Result<std::optional<std::string>, Failure> peer_cgroup(int socket);

// The path without its last part; none where that would be the root.
std::optional<std::string_view> cgroup_parent(std::string_view path) noexcept;

// The group's directory, for xattr(); neither ".." nor links lead out of `mount`.
Result<UniqueFd, Failure> open_cgroup(std::string_view path, const char* mount = kCgroupMount);

// The value of an attribute, at most 4096 bytes; a name without a dot is one of "user.". None for
// every reason why there is no value.
std::optional<std::string> read_xattr(int directory, std::string_view name);

}  // namespace perilune::net
