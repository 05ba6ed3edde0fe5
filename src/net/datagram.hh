#pragma once

#include <memory>
#include <optional>
#include <string>

#include "net/address.hh"
#include "net/peer_credentials.hh"
#include "net/unix_path.hh"
#include "util/bytes.hh"
#include "util/fd.hh"

namespace perilune::net {

struct DatagramOptions {
  std::optional<Address> multicast_group;  // to join; its port means nothing
  std::string interface;                   // empty: any
  bool operator==(const DatagramOptions&) const = default;
};

struct Datagram {
  Bytes bytes;
  bool is_whole = true;                        // false: it was longer than the buffer
  Address sender;                              // none: a unix socket without a name
  std::optional<PeerCredentials> credentials;  // of a unix peer
};

// A bound, non-blocking socket to receive datagrams from. Closing a unix one removes its file, but
// only if it still is the one made here.
class DatagramSocket {
 public:
  // Throws ConfigError that names the address.
  static std::shared_ptr<DatagramSocket> bind(const Address& address,
                                              const DatagramOptions& options);
  DatagramSocket(const DatagramSocket&) = delete;
  DatagramSocket& operator=(const DatagramSocket&) = delete;
  ~DatagramSocket() { remove_file(); }

  int fd() const noexcept { return socket_.value(); }
  // The next one, in `buffer`; none: there is none now. Descriptors that come along are closed.
  std::optional<Datagram> receive(MutableBytes buffer) noexcept;
  // For a process that ends without destructors.
  void remove_file() const noexcept {
    if (file_) file_->remove();
  }

 private:
  DatagramSocket(UniqueFd socket, const Address& address);

  UniqueFd socket_;
  std::optional<SocketFile> file_;  // of a unix path
};

// Sends datagrams to one address. Where nobody received any more, the next one finds who has come
// in the place of the old one.
class DatagramSender {
 public:
  // Throws SystemError.
  explicit DatagramSender(const Address& to);

  // Never waits. An errno value, or 0.
  int send(Bytes datagram) noexcept;

 private:
  Address to_;
  UniqueFd socket_;
};

}  // namespace perilune::net
