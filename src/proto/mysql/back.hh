#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "auth/mysql_methods.hh"
#include "event/task.hh"
#include "net/dialing.hh"
#include "net/stream.hh"
#include "proto/mysql/break_off.hh"
#include "proto/mysql/channel.hh"
#include "session/decision.hh"
#include "session/session.hh"
#include "wire/mysql/handshake.hh"

namespace perilune::proto::mysql {

// What a login at a server needs of those for whom it is made.
struct BackServices {
  event::Loop& loop;
  event::TaskGroup& background;     // for what it leaves behind
  stats::Cells* metrics = nullptr;  // null: it is not counted
  // The listener's open sessions; null: no client is behind it.
  std::shared_ptr<std::atomic<std::uint64_t>> places;
};

// The login at a server: here we play the client. However it ends, what the server asks is
// answered: servers count handshakes that were broken off and block the host for them.
class Back {
 public:
  explicit Back(session::Session& session) : Back(session, session.server) {}
  // A login beside the session's own: `server` is where the address of the connection is noted.
  Back(session::Session& session, net::SmallAddress& server);
  // A login without a session.
  Back(BackServices services, net::SmallAddress& server);
  Back(const Back&) = delete;
  Back& operator=(const Back&) = delete;
  ~Back();

  // The connection begins with a PROXY header. Before open().
  void announce(Buffer proxy_header) noexcept { proxy_header_ = std::move(proxy_header); }

  // Resolves, connects (to each address in turn) and receives the greeting, all within the limit.
  // Throws LoginFailure, or PeerError for a server that ends the connection.
  event::Task<> open(const session::ConnectTo& decision, Millis limit);
  // After open() has thrown: nothing listens there.
  bool was_refused() const noexcept { return refused_; }
  // …or why there is no connection; empty: there was one.
  const std::string& connect_problem() const noexcept { return problem_; }

  const wire::mysql::Greeting& greeting() const noexcept { return greeting_; }

  // Begins TLS if that is wanted, with the part of the login that comes before it, and has the
  // login say so. To be called once, before log_in() and before a method is chosen: transport()
  // says then what was agreed. Throws LoginFailure when the server has no TLS, or not the
  // certificate it should have.
  event::Task<> secure(wire::mysql::HandshakeResponse& response,
                       const session::ConnectTo& decision);
  auth::Transport transport() const noexcept;

  // Answers the greeting.
  void log_in(const wire::mysql::HandshakeResponse& response);
  void send(Bytes payload);
  event::Task<Buffer> receive();

  // Instead of open(), secure() and log_in(): a login of the same kind on a connection that is in
  // its command phase and has nothing outstanding.
  void change_user(std::unique_ptr<net::Stream> stream, const wire::mysql::ChangeUser& request,
                   std::uint64_t capabilities);
  // Answers what the server asks until it refuses. Throws PeerError if it lets us in instead.
  event::Task<> be_refused();

  // After the server's verdict: the connection, without us.
  std::unique_ptr<net::Stream> take() noexcept;

 private:
  event::Task<> open_any(session::Target target, std::vector<net::Address> known, Millis limit);
  HeldPlace hold_place() const;
  event::Task<> receive_greeting();
  event::Task<> shake_hands();

  const BackServices services_;
  net::SmallAddress& server_;
  Buffer proxy_header_;  // the first bytes of each connection
  net::Dialing dialing_;
  std::unique_ptr<net::Stream> stream_;
  std::optional<Channel> channel_;
  wire::mysql::Greeting greeting_;
  LoginPoint point_;
  std::string problem_;
  bool refused_ = false;
  bool over_ = false;  // by the server's verdict, or for want of a server that counts
};

}  // namespace perilune::proto::mysql
