#pragma once

#include <sys/stat.h>

#include <string>

#include "net/address.hh"
#include "util/fd.hh"
#include "util/unique_function.hh"

namespace perilune::net {

// Binds a new socket to the path of `address`. A socket that is there and in use by a live process
// is refused, a dead one's is replaced without a moment in which there is none: `prepare` makes the
// new one ready while its file still has another name. Throws ConfigError that names the address.
using PrepareSocket = UniqueFunction<void(const UniqueFd& socket, const std::string& file)>;
UniqueFd bind_unix_path(const Address& address, int type, PrepareSocket prepare);

// The file that was made under a path; removes no other one that has taken its place.
class SocketFile {
 public:
  explicit SocketFile(std::string path);
  void remove() const noexcept;

 private:
  std::string path_;
  struct stat made_ {};
};

}  // namespace perilune::net
