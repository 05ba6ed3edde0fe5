#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "event/loop.hh"
#include "event/poll.hh"
#include "net/address.hh"
#include "net/unix_path.hh"
#include "util/clock.hh"
#include "util/fd.hh"
#include "util/unique_function.hh"

namespace perilune::net {

// Rights of a unix socket's file.
struct FileRights {
  mode_t mode = 0666;
  std::string user, group;  // empty: unchanged
  bool operator==(const FileRights&) const = default;
};

// A listening socket. May be shared between threads; closing a unix one removes its file, but only
// if it still is the one made here.
class ListenSocket {
 public:
  // Binds and listens; throws ConfigError that names the address. A unix path in use by a live
  // process is refused, a dead one's is replaced without a moment in which there is none.
  static std::shared_ptr<ListenSocket> bind(const Address& address, int backlog,
                                            const FileRights& rights);
  // A socket that somebody else bound, such as systemd; its file is not ours to remove.
  static std::shared_ptr<ListenSocket> adopt(UniqueFd socket, int backlog);

  ListenSocket(const ListenSocket&) = delete;
  ListenSocket& operator=(const ListenSocket&) = delete;
  ~ListenSocket();

  int fd() const noexcept { return socket_.value(); }
  const Address& address() const noexcept { return address_; }  // port 0 resolved
  bool is_adopted() const noexcept { return adopted_; }
  // Changed options of a reload; throws ConfigError.
  void set_backlog(int backlog);
  void set_rights(const FileRights& rights);
  // Removes the file of a unix path that was made here: for a process that ends without
  // destructors.
  void remove_file() const noexcept;

 private:
  ListenSocket(UniqueFd socket, Address address, bool adopted);

  UniqueFd socket_;
  Address address_;
  bool adopted_;
  std::optional<SocketFile> file_;  // of a unix path that we made
};

// Accepts on one loop and hands on every connection. When accepting fails, such as for want of
// descriptors, it stops for a moment instead of spinning.
class Acceptor {
 public:
  using Accepted = UniqueFunction<void(UniqueFd socket, Address peer)>;
  using Paused = UniqueFunction<void(int errno_value)>;
  enum class Begin : std::uint8_t { Now, AtStart };

  Acceptor(event::Loop& loop, std::shared_ptr<ListenSocket> socket, Accepted accepted,
           Paused paused, Begin begin = Begin::Now);
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;
  ~Acceptor();

  void start() { watch(); }  // for Begin::AtStart: all that may fail was done before
  const ListenSocket& socket() const noexcept { return *socket_; }

 private:
  void watch();
  void accept_one();
  void pause(int error);

  std::shared_ptr<ListenSocket> socket_;
  Accepted accepted_;
  Paused paused_;
  event::Poll poll_;
  event::Handle<uv_timer_t> pause_timer_;
};

}  // namespace perilune::net
