#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

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

// The login at a server: here we play the client. However it ends, what the server asks is
// answered: servers count handshakes that were broken off and block the host for them.
class Back {
 public:
  explicit Back(session::Session& session) noexcept : Back(session, session.server) {}
  // A login beside the session's own: `server` is where the address of the connection is noted.
  Back(session::Session& session, net::SmallAddress& server) noexcept
      : session_(session), server_(server), dialing_(session.loop()) {}
  Back(const Back&) = delete;
  Back& operator=(const Back&) = delete;
  ~Back();

  // The connection begins with a PROXY header about the session's client. Before open().
  void announce(session::SendProxy version);

  // Resolves, connects (to each address in turn) and receives the greeting, all within the
  // decision's connect_timeout. Throws LoginFailure.
  event::Task<> open(session::Target target, Millis limit);

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
  event::Task<> open_any(session::Target target, Millis limit);
  event::Task<> receive_greeting();
  event::Task<> shake_hands();

  session::Session& session_;
  net::SmallAddress& server_;
  Buffer proxy_header_;  // the first bytes of each connection
  net::Dialing dialing_;
  std::unique_ptr<net::Stream> stream_;
  std::optional<Channel> channel_;
  wire::mysql::Greeting greeting_;
  LoginPoint point_;
  bool over_ = false;  // by the server's verdict, or for want of a server that counts
};

}  // namespace perilune::proto::mysql
