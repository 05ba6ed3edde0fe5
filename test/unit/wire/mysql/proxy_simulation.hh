#pragma once

// A proxy between a recorded client and a recorded server, without sockets: replays a session
// through an Exchange in pieces cut as wanted.

#include <cstddef>
#include <limits>
#include <vector>

#include "unit/wire/mysql/session_file.hh"
#include "util/bytes.hh"
#include "wire/mysql/exchange.hh"

namespace perilune::test {

// Where a stream is cut on its way into the proxy.
struct Cut {
  static constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();

  std::vector<std::size_t> at;  // offsets, ascending
  std::size_t every = kNever;   // a size

  std::size_t next(std::size_t offset, std::size_t available) const;
};

struct Replay {
  Cut client;
  Cut server;
  // Take every command off the stream and, once the server owes nothing, put `marker` behind its
  // answer.
  bool intercept = false;
  Buffer marker;
  // Send all commands without waiting, as far as local files allow, not only those recorded so.
  bool pipeline = false;
};

class ProxySimulation {
 public:
  ProxySimulation(const RecordedSession& session, const Replay& replay);

  // Throws if client or server do not get all they should and nothing else, or the exchange stops
  // where it must not or does not see that all is done.
  void run();

 private:
  struct Send {
    std::size_t wait_for;  // bytes that the sender must have received before
    Bytes bytes;
  };

  void plan();
  bool step_client();
  bool step_server();
  void handle_client_bytes();
  bool intercept_command();
  void put_marker();
  void to_server(Bytes bytes);
  void to_client(Bytes bytes);
  void check_sequence(Bytes chunk) const;
  void check_end() const;

  const RecordedSession& session_;
  Replay replay_;
  wire::mysql::CommandSet intercept_;
  wire::mysql::Exchange exchange_;

  std::vector<Send> from_client_;
  std::vector<Send> from_server_;
  Buffer client_stream_;  // all that the client ever sends
  Buffer server_stream_;
  Buffer expected_;  // by the client

  std::size_t client_sent_ = 0;
  std::size_t server_sent_ = 0;
  Buffer pending_;  // sent by the client, not yet consumed
  std::size_t at_server_ = 0;
  std::size_t at_client_ = 0;
  bool marker_due_ = false;
};

}  // namespace perilune::test
