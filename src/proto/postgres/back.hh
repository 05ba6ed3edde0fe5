#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "auth/transport.hh"
#include "event/task.hh"
#include "net/dialing.hh"
#include "net/stream.hh"
#include "proto/postgres/channel.hh"
#include "session/decision.hh"
#include "session/session.hh"
#include "wire/postgres/startup.hh"

namespace perilune::proto::postgres {

// The login at a server: here we play the client. Servers do not mind a login that is broken off.
class Back {
 public:
  // `server`: where the address of the connection is noted. `metrics`: null: it is not counted.
  Back(event::Loop& loop, stats::Cells* metrics, net::SmallAddress& server);
  Back(const Back&) = delete;
  Back& operator=(const Back&) = delete;

  // The connection begins with a PROXY header. Before open().
  void announce(Buffer proxy_header) noexcept { proxy_header_ = std::move(proxy_header); }

  // Resolves, connects (to each address in turn), begins TLS if that is wanted, sends the login and
  // receives the server's first word, all within the limit. Throws LoginFailure, or PeerError for a
  // server that ends the connection.
  event::Task<> open(const session::ConnectTo& decision,
                     const wire::postgres::StartupMessage& login, Millis limit);
  // The same without a login: the connection is ready for a CancelRequest.
  event::Task<> open(const session::ConnectTo& decision, Millis limit);

  // After open() has thrown: nothing listens there.
  bool was_refused() const noexcept { return refused_; }
  // …or why there is no connection; empty: there was one.
  const std::string& connect_problem() const noexcept { return problem_; }

  auth::Transport transport() const noexcept;
  // The server's certificate, for SCRAM to be bound to; empty: it cannot be.
  Buffer end_point() const;
  // Whether the server may have taken us for somebody by what no client of ours has shown: our
  // user at the other end of a unix socket, or our certificate.
  bool may_know_us() const noexcept;

  // Messages of the login, beginning with the server's first word.
  event::Task<Received> receive();
  void send(Buffer messages) { channel_->send(std::move(messages)); }

  net::Stream& stream() const noexcept { return *stream_; }
  // The connection, without us.
  std::unique_ptr<net::Stream> take() noexcept;

 private:
  event::Task<> open_within(event::Task<> opening, const session::ConnectTo& decision,
                            Millis limit);
  event::Task<> reach(const session::ConnectTo& decision, Millis limit);
  event::Task<> reach_and_begin(const session::ConnectTo& decision,
                                const wire::postgres::StartupMessage& login, Millis limit);
  event::Task<Received> receive_message();
  event::Task<> secure(const session::ConnectTo& decision);
  event::Task<> receive_first_word();

  event::Loop& loop_;
  stats::Cells* metrics_;
  net::SmallAddress& server_;
  Buffer proxy_header_;
  net::Dialing dialing_;
  std::unique_ptr<net::Stream> stream_;
  std::optional<Channel> channel_;
  std::optional<Received> first_;
  std::string problem_;
  bool refused_ = false;
  bool shows_certificate_ = false;
};

}  // namespace perilune::proto::postgres
