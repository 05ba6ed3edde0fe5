#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "auth/scram_keys.hh"
#include "cluster/node.hh"
#include "event/latch.hh"
#include "event/loop.hh"
#include "event/task_group.hh"
#include "log/logger.hh"
#include "net/small_address.hh"
#include "net/stream.hh"
#include "session/declaration.hh"
#include "session/declared_log.hh"
#include "session/hooks.hh"
#include "session/likeness.hh"
#include "session/log_outlet.hh"
#include "session/memory_budget.hh"
#include "session/session_list.hh"
#include "session/shared_text.hh"
#include "session/statement_note.hh"
#include "stats/metrics.hh"
#include "util/clock.hh"

namespace perilune::session {

class Directory;
struct CancelKeys;

// What a worker lends to its sessions; outlives them.
struct Services {
  event::Loop& loop;
  event::TaskGroup& background;  // for what a session leaves behind
  const log::Logger& logger;
  stats::Cells& metrics;
  Directory* directory = nullptr;  // null: these sessions are all there are
  unsigned worker = 0;
  SharedText::Pool texts{};
  auth::ScramKeyCache scram_keys{};  // of the passwords that come again and again
  LogOutlets log_outlets{};
};

class RsaKeySource;

// A listener of a generation as its sessions see it. Immutable, shared by the workers.
struct Listener {
  ListenerDeclaration declaration;
  std::size_t index = 0;  // in the generation's declaration
  // Sessions of this listener in all workers; the same object through reloads.
  std::shared_ptr<std::atomic<std::uint64_t>> open;
  std::shared_ptr<const net::TlsServer> tls;  // null: none
  std::shared_ptr<RsaKeySource> rsa_key;
  std::shared_ptr<MemoryBudget> gathered;  // null: no limit
  std::shared_ptr<const PublishedLikeness> like;  // null: the option is not set
  std::shared_ptr<stats::ListenerCells> counts;   // null: the worker's own count for it
  std::uint64_t generation = 0;                   // its number
  bool times_statements = false;                  // somebody wants to know how long they take
  bool notes_statements = false;                  // somebody wants to know what runs
};

enum class StopReason : std::uint8_t {
  None,
  ClientGone,
  Disconnect,  // the script or the admin said so
  Dropped,     // without a word, so that the client connects again
  HandshakeTimeout,
  IdleTimeout,
  NodeUnavailable,  // the cluster has better nodes
  Shutdown,         // the daemon ends now
};

// The part of a protocol that can end a session in good order where it stands. All calls come from
// the loop.
class Ending {
 public:
  // Writes this protocol's error.
  virtual void say_farewell(StopReason reason) = 0;
  // The session has begun to drain: ends it if this is a quiet moment.
  virtual void drain() {}
  // Whom the session waits for here.
  virtual const char* waits_for() const noexcept { return "client"; }

 protected:
  ~Ending() = default;
};

// What a session is at, for those who look on.
enum class Phase : std::uint8_t { ProxyHeader, Login, Connect, ServerLogin, Commands, Farewell };

// Forwarded bytes and statements so far.
struct Traffic {
  std::uint64_t from_client = 0;
  std::uint64_t from_server = 0;
  std::uint64_t statements = 0;
};

// Who a session is, for its own code, the script and the log, and how it is ended. Lives on its
// worker's thread.
class Session final : private net::HangupListener {
 public:
  Session(Services& services, std::shared_ptr<const Listener> listener, std::uint32_t id,
          int client_fd, net::SmallAddress peer);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() override;

  Services& services() const noexcept { return services_; }
  event::Loop& loop() noexcept { return services_.loop; }
  // Those of the session's listener and worker.
  stats::Cells& metrics() noexcept { return metrics_; }
  // Those of the node that the session is at; null: it is at none.
  stats::NodeCells* node_metrics() const;
  const Listener& listener() const noexcept { return *listener_; }
  const ListenerOptions& options() const noexcept { return listener_->declaration.options; }

  Hooks& hooks() noexcept { return *hooks_; }
  void set_hooks(std::unique_ptr<Hooks> hooks) noexcept { hooks_ = std::move(hooks); }

  // The listener is full: the protocol refuses the client before it says a word.
  bool is_over_limit() const noexcept { return !has_place_; }

  // For log lines: the peer's address or "pid=P uid=U", and the account once there is one.
  std::string name() const;
  // The same without the account.
  std::string client_name() const;

  std::uint32_t id() const noexcept { return id_; }
  int client_fd() const noexcept { return client_fd_; }  // for peer credentials; -1 once closed
  void forget_client() noexcept {
    client_fd_ = -1;
    client_ = nullptr;
  }
  net::Address peer() const noexcept { return peer_.expand(); }
  // The address that the client connected to.
  Result<net::Address, Failure> local_address() const;
  // The client is the peer of a unix socket of ours, so that it has credentials.
  bool is_local() const noexcept { return peer_.is_unix() && announced_local_ == nullptr; }
  // …and no proxy in between: the kernel's word about the peer is one about the client.
  bool is_vouched_for() const noexcept { return is_local() && !has_proxy_header_; }
  WallTime connected_at() const noexcept { return connected_at_; }

  // Whether the listener demands a PROXY header of this peer, before anything else.
  bool expects_proxy_header() const noexcept;
  // The script may know of the session: no header is missing.
  bool is_introduced() const noexcept { return has_proxy_header_ || !expects_proxy_header(); }
  // One was read, in that time, whatever it said.
  void note_proxy_header(Millis time) noexcept;
  // It said who the client is and where it connected to.
  void announce(const net::Address& client, const net::Address& local);
  // What is left of handshake_timeout once it was read; zero: no limit.
  Millis handshake_limit() const noexcept;

  // Ends the session soon, from whatever it waits for; the first reason counts.
  void stop(StopReason reason);
  StopReason stop_reason() const noexcept { return stop_reason_; }
  event::Latch& stopped() noexcept { return stopped_; }

  // Asks the session to end at its first moment with nothing outstanding and no transaction open.
  // Called from the loop.
  void drain();
  bool is_draining() const noexcept { return draining_; }

  Phase phase() const noexcept { return phase_; }
  void enter(Phase phase) noexcept { phase_ = phase; }
  // "client", "server", "connect", … or the name of the script's callback that waits.
  const char* waits_for() const noexcept;

  // Tells the client why the session ends; called at most once, when it is stopped from outside.
  void say_farewell();

  // Stops the session when its client goes away while nobody reads.
  void watch(net::Stream& client);
  // From now on a client that has ended its side is not gone: it may still want to hear.
  void allow_half_close() noexcept { allows_half_close_ = true; }
  // The client's TLS once it is open; null: none.
  const net::Tls* client_tls() const noexcept;

  // Who knows how to end the session at this point of it; null: nobody.
  void set_ending(Ending* ending) noexcept { ending_ = ending; }

  // What every statement touches lies together.
  Traffic traffic;

 private:
  friend class SessionList;
  void on_hangup(int code) override {
    if (code < 0 || !allows_half_close_) stop(StopReason::ClientGone);
  }

  Services& services_;
  bool draining_ = false;
  bool has_proxy_header_ = false;
  bool allows_half_close_ = false;
  Phase phase_ = Phase::Login;
  StopReason stop_reason_ = StopReason::None;

 public:
  std::uint32_t server_thread = 0;                // the server's own number; 0: not logged in there
  SharedText user;                                // as the client gave it
  SharedText database;                            // likewise
  std::string account;                            // set by the script; log prefix
  SharedText server_version;                      // announced, then the server's own
  net::SmallAddress server;                       // none before it is connected
  std::unique_ptr<const KnownLogin> known_login;  // null: nothing is known
  std::unique_ptr<const cluster::Lease> lease;    // of a cluster's node; null: none
  std::unique_ptr<const CancelKeys> cancel_keys;  // null: nothing can be cancelled
  LogList logs;                                   // where the statements go
  std::unique_ptr<StatementNote> statement;       // the latest one; null: none, or nobody asks

 private:
  SessionList* list_ = nullptr;
  Session* previous_ = nullptr;
  Session* next_ = nullptr;
  std::shared_ptr<const Listener> listener_;
  stats::Cells& metrics_;
  std::unique_ptr<Hooks> hooks_;
  event::Latch stopped_;
  Ending* ending_ = nullptr;
  const net::Stream* client_ = nullptr;  // from watch() to forget_client()
  WallTime connected_at_;
  net::SmallAddress peer_;
  std::unique_ptr<const net::SmallAddress> announced_local_;  // null: the socket's own addresses
  std::uint32_t id_;
  int client_fd_;
  bool has_place_;                   // among the listener's max_connections
  std::uint32_t header_millis_ = 0;  // of handshake_timeout, for the PROXY header
};

template <typename Function>
void SessionList::for_each(Function function) {
  for (Session* session = first_; session != nullptr;) {
    Session* const next = session->next_;
    function(*session);
    session = next;
  }
}

}  // namespace perilune::session
