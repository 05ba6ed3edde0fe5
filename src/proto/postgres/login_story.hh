#pragma once

#include <memory>
#include <string>

#include "event/countdown.hh"
#include "event/task.hh"
#include "proto/postgres/back.hh"
#include "proto/postgres/challenge.hh"
#include "proto/postgres/connection.hh"
#include "proto/postgres/errors.hh"
#include "proto/postgres/front.hh"
#include "session/login_tally.hh"
#include "session/place.hh"
#include "session/session.hh"
#include "util/clock.hh"
#include "util/error.hh"
#include "wire/postgres/authentication.hh"

namespace perilune::proto::postgres {

// A login; its steps share this.
class LoginStory {
 public:
  LoginStory(session::Session& session, net::Stream& stream);
  LoginStory(const LoginStory&) = delete;
  LoginStory& operator=(const LoginStory&) = delete;

  // As log_in().
  event::Task<std::unique_ptr<Connection>> tell();

  void tell_client(Buffer messages) { client_.send(std::move(messages)); }
  session::LoginTally& tally() noexcept { return tally_; }
  // Of what is no LoginFailure.
  LoginFailure::Outcome outcome_of(const PeerError& error) noexcept;

 private:
  // What the server says between AuthenticationOk and ReadyForQuery.
  struct Settled {
    Buffer for_client;  // as it came, but for the key
    std::uint32_t process_id = 0;
    Buffer key;  // empty: nothing can be cancelled
    wire::postgres::TransactionStatus status = wire::postgres::TransactionStatus::Idle;
  };

  event::Task<bool> is_welcome();
  event::Task<session::Decision> ask_script(session::Login login);
  bool is_refused(const session::Decision& decision);
  event::Task<std::unique_ptr<Connection>> go_where(session::Decision decision);
  event::Task<std::unique_ptr<Connection>> connect(session::ConnectTo decision);
  event::Task<> authenticate(Back& server, const session::ConnectTo& decision);
  event::Task<std::unique_ptr<Back>> reach(session::ConnectTo& decision);
  event::Task<std::unique_ptr<Back>> reach_node(session::ConnectTo& decision);
  std::unique_ptr<Back> make_server(const session::ConnectTo& decision) const;
  wire::postgres::StartupMessage make_startup(const session::Login& login) const;
  event::Task<Settled> settle(Back& server) const;
  bool take(Received message, Settled& settled) const;
  Buffer make_key() const;
  void note_keys(const Settled& settled, const session::ConnectTo& decision);
  std::unique_ptr<Connection> serve();
  void welcome(Buffer messages);
  event::Task<bool> is_let_in(wire::postgres::TransactionStatus status);
  void refuse(const session::Refuse& refusal, Fault usual);
  void log_login(const session::Login& login) const;

  session::Session& session_;
  session::LoginTally tally_;
  Front client_;
  event::Countdown clock_;  // the script's own thinking does not count
  Challenge challenge_;
};

}  // namespace perilune::proto::postgres
