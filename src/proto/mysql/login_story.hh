#pragma once

#include <memory>
#include <optional>
#include <string>

#include "event/countdown.hh"
#include "event/task.hh"
#include "proto/mysql/back.hh"
#include "proto/mysql/challenge.hh"
#include "proto/mysql/connection.hh"
#include "proto/mysql/errors.hh"
#include "proto/mysql/front.hh"
#include "session/login_tally.hh"
#include "session/place.hh"
#include "session/session.hh"
#include "wire/mysql/reply.hh"

namespace perilune::proto::mysql {

// A login, with a greeting before it or as a change of user; its steps share this.
class LoginStory {
 public:
  LoginStory(session::Session& session, net::Stream& stream);
  LoginStory(session::Session& session, net::Stream& stream, const ClientTerms& terms,
             ChangeCommand command);
  LoginStory(const LoginStory&) = delete;
  LoginStory& operator=(const LoginStory&) = delete;

  // From the greeting to on_command_phase. Null when the client was refused, which it has been
  // told. Throws for what breaks.
  event::Task<std::unique_ptr<Connection>> tell();

  // From the command to the client's OK; null as above. `present` loses its server to the
  // connection that comes back if it is the same one, and to nobody if that has broken.
  event::Task<std::unique_ptr<Connection>> tell_change(Connection& present);

  void tell_client(const wire::mysql::Err& err) { client_.send_error(err); }
  bool has_client_failed() const noexcept { return client_.has_failed(); }
  session::LoginTally& tally() noexcept { return tally_; }

 private:
  event::Task<bool> is_welcome();
  event::Task<session::Decision> ask_script(session::Login login);
  bool is_refused(const session::Decision& decision);
  event::Task<std::unique_ptr<Connection>> go_where(session::Decision decision);
  event::Task<std::unique_ptr<Connection>> connect(session::ConnectTo decision);
  // To the decision's target, or to a node of its cluster, which is the target then.
  struct Reached {
    std::unique_ptr<Back> server;
    session::LeasePtr lease;
  };
  event::Task<Reached> reach(session::ConnectTo& decision, net::SmallAddress& address);
  event::Task<Reached> reach_node(session::ConnectTo& decision, net::SmallAddress& address);
  std::unique_ptr<Back> make_server(const session::ConnectTo& decision,
                                    net::SmallAddress& address) const;
  void stay_if_possible(session::ConnectTo& decision) const;
  event::Task<std::unique_ptr<Connection>> serve();
  event::Task<std::unique_ptr<Connection>> change_in_place(session::ConnectTo decision,
                                                           Connection& present);
  bool is_present(const session::ConnectTo& decision, const Connection& present) const;
  std::unique_ptr<Connection> welcome(Back& server, Buffer ok, std::uint64_t capabilities,
                                      const session::ConnectTo& decision);
  std::optional<std::string> certificate_proof(const auth::Credentials& known) const;
  event::Task<bool> is_let_in();
  void refuse(const session::Refuse& refusal, wire::mysql::Err usual);
  void log_login(const session::Login& login) const;

  UniqueFunction<void()> timed_out();

  session::Session& session_;
  session::LoginTally tally_;
  Front client_;
  event::Countdown clock_;  // the script's own thinking does not count
  Challenge challenge_;
};

}  // namespace perilune::proto::mysql
