#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "event/task.hh"
#include "net/address.hh"
#include "session/cancel_keys.hh"
#include "session/declaration.hh"
#include "util/bytes.hh"
#include "util/clock.hh"

namespace perilune::cluster {
class Node;
struct Settings;
}

namespace perilune::session {

class Session;
class SessionList;
enum class StopReason : std::uint8_t;

// Our ids have this bit, which no server sets in those of its own connections.
inline constexpr std::uint32_t kIdBit = 0x80000000U;

// A session at one moment, for other threads: memory of its own.
struct SessionRow {
  std::uint32_t id = 0;
  Protocol protocol = Protocol::Mysql;
  net::Address address;
  std::string user;
  std::string account;
  std::string database;
  net::Address server;  // none before it is connected
  std::string server_version;
  WallTime connected_at;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t queries = 0;
  unsigned worker = 0;
  bool draining = false;
};

// Where a session's statements run.
struct ServerThread {
  std::uint32_t id = 0;  // the server's number; 0: being logged in, or there is no server
  net::Address server;
  std::string server_name;  // as in ServerTls; empty: not known
  std::string user;         // the session's
  std::string account;
  std::shared_ptr<const cluster::Settings> cluster;  // whose node the server is; null: nobody's
};

// The sessions of all workers, as one of them sees them; used on its thread alone. Those whose
// PROXY header is missing are left out: nobody has heard of them. A worker that is stuck in a
// script is not waited for long: its sessions are missing then.
class Directory {
 public:
  // Ordered by id.
  virtual event::Task<std::vector<SessionRow>> all() = 0;
  // Stops the session for StopReason::Disconnect; false: there is none of that id.
  virtual event::Task<bool> disconnect(std::uint32_t id) = 0;
  // No value: there is no session of that id, or none with statements.
  virtual event::Task<std::optional<ServerThread>> thread_of(std::uint32_t id) = 0;
  // No value: there is no session of that id with that key, or nothing to cancel.
  virtual event::Task<std::optional<CancelTarget>> cancel_target(std::uint32_t id, Buffer key) = 0;
  // Has the sessions at a node that drains end at their quiet moments, and what is left of them
  // after `limit`, if the node still drains then; zero: they are not told to.
  virtual void empty_node(std::shared_ptr<const cluster::Node> node, Millis limit) = 0;
  // Those of this worker.
  virtual SessionList& local() noexcept = 0;

 protected:
  ~Directory() = default;
};

// What the implementation says of one worker's sessions, on its thread.
SessionRow row_of(const Session& session, unsigned worker);
std::vector<SessionRow> rows_of(SessionList& sessions, unsigned worker);
Session* find(SessionList& sessions, std::uint32_t id);
bool disconnect(SessionList& sessions, std::uint32_t id);
std::optional<ServerThread> thread_of(SessionList& sessions, std::uint32_t id);
std::optional<CancelTarget> cancel_target(SessionList& sessions, std::uint32_t id, Bytes key);
// Stops the sessions of an account, in whatever phase they are; how many.
std::size_t stop_account(SessionList& sessions, std::string_view account, StopReason reason);
void drain_at(SessionList& sessions, const cluster::Node& node);
void stop_at(SessionList& sessions, const cluster::Node& node);
// Those that would rather be at a better node: not those that wanted a read-only one.
void drop_at(SessionList& sessions, const cluster::Node& node);

}  // namespace perilune::session
