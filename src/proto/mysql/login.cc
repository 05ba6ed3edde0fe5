#include "proto/mysql/login.hh"

#include <algorithm>
#include <utility>

#include "event/deadline.hh"
#include "proto/mysql/authenticate.hh"
#include "proto/mysql/back.hh"
#include "proto/mysql/errors.hh"
#include "proto/mysql/front.hh"
#include "wire/mysql/reply.hh"

namespace perilune::proto::mysql {

namespace wire = perilune::wire::mysql;

namespace {

// The listener's handshake_timeout; the script's own thinking does not count.
class HandshakeClock {
 public:
  explicit HandshakeClock(session::Session& session)
      : session_(session), left_(session.handshake_limit()) {
    resume();
  }
  void pause() {
    if (!deadline_.is_armed()) return;
    left_ = std::max(deadline_.remaining(session_.loop()), Millis{1});
    deadline_.disarm();
  }
  void resume() {
    deadline_.arm(session_.loop(), left_,
                  [session = &session_] { session->stop(session::StopReason::HandshakeTimeout); });
  }

 private:
  session::Session& session_;
  Millis left_;
  event::Deadline deadline_;
};

// The login's steps share these.
class LoginStory {
 public:
  LoginStory(session::Session& session, net::Stream& stream)
      : session_(session), client_(session, stream), clock_(session) {}
  LoginStory(const LoginStory&) = delete;
  LoginStory& operator=(const LoginStory&) = delete;
  ~LoginStory() {
    if (session_.stop_reason() == session::StopReason::ClientGone) {
      session_.metrics().handshakes_aborted.add();
    }
  }

  event::Task<std::unique_ptr<Connection>> tell();
  void tell_client(const wire::Err& err) { client_.send_error(err); }

 private:
  event::Task<bool> is_welcome();
  event::Task<session::Decision> ask_script();
  event::Task<std::unique_ptr<Connection>> connect(session::ConnectTo decision);
  event::Task<bool> is_let_in();
  void refuse(const session::Refuse& refusal, wire::Err usual);
  void log_login(const session::Login& login) const;

  session::Session& session_;
  Front client_;
  HandshakeClock clock_;
};

event::Task<std::unique_ptr<Connection>> LoginStory::tell() {
  const bool welcome = co_await is_welcome();
  if (!welcome) co_return nullptr;
  client_.greet();
  session::Decision decision = co_await ask_script();
  if (const auto* refusal = std::get_if<session::Refuse>(&decision)) {
    session_.metrics().logins_refused.add();
    refuse(*refusal, handshake_err("Access denied"));
    co_return nullptr;
  }
  auto connection = co_await connect(std::move(std::get<session::ConnectTo>(decision)));
  session_.metrics().logins_accepted.add();
  const bool let_in = co_await is_let_in();
  if (!let_in) co_return nullptr;
  co_return connection;
}

event::Task<bool> LoginStory::is_welcome() {
  session::Decision decision;
  if (session_.is_over_limit()) {
    const session::Refuse too_many{"Too many connections", {}, {}};
    session_.metrics().connections_rejected.add();
    refuse(too_many, make_err(wire::ErrorCode::TooManyConnections, "08004", {}));
    co_return false;
  }
  if (!session_.hooks().has_on_connect()) co_return true;
  clock_.pause();
  decision = co_await session_.hooks().on_connect();
  clock_.resume();
  const auto* refusal = std::get_if<session::Refuse>(&decision);
  if (refusal == nullptr) co_return true;
  session_.metrics().connections_rejected.add();
  refuse(*refusal, handshake_err("Connection refused"));
  co_return false;
}

event::Task<session::Decision> LoginStory::ask_script() {
  session::Login login = co_await client_.receive_login();
  log_login(login);
  clock_.pause();
  session::Decision decision = co_await session_.hooks().on_login(std::move(login));
  clock_.resume();
  co_return decision;
}

event::Task<std::unique_ptr<Connection>> LoginStory::connect(session::ConnectTo decision) {
  Back server{session_};
  server.announce(decision.send_proxy);
  co_await server.open(decision.target, decision.connect_timeout);
  session_.server_version = server.greeting().server_version;
  const bool knows = decision.credentials.password || decision.credentials.password_sha1;
  Buffer ok;
  if (knows) {
    ok = co_await log_in_with_credentials(client_, server, std::move(decision));
  } else {
    ok = co_await pass_login_through(client_, server, std::move(decision.login));
  }
  auto connection = std::make_unique<Connection>();
  connection->capabilities = client_.capabilities() & server.greeting().capabilities;
  const auto decoded = wire::decode_ok(ok, connection->capabilities);
  if (!decoded) {
    throw LoginFailure(handshake_err("Malformed packet from server"), decoded.error().what);
  }
  connection->status = decoded->status;
  connection->server = server.take();
  client_.welcome(ok);
  co_return connection;
}

// The client has its OK already; what it sends waits for the script. A refusal is told as the
// answer to the first command would be.
event::Task<bool> LoginStory::is_let_in() {
  if (!session_.hooks().has_on_command_phase()) co_return true;
  client_.begin_command_phase();
  clock_.pause();
  const session::Decision decision = co_await session_.hooks().on_command_phase();
  const auto* refusal = std::get_if<session::Refuse>(&decision);
  if (refusal == nullptr) co_return true;
  session_.metrics().logins_refused.add();
  refuse(*refusal, handshake_err("Access denied"));
  co_return false;
}

void LoginStory::refuse(const session::Refuse& refusal, wire::Err usual) {
  client_.send_error(refusal_err(refusal, std::move(usual)));
}

void LoginStory::log_login(const session::Login& login) const {
  const log::Logger& logger = session_.services().logger;
  if (!logger.shows(log::Level::Info)) return;
  const std::string name = session_.name();
  logger.with(name).info("login", log::field("user", login.user),
                         log::field("database", login.database));
}

}  // namespace

event::Task<std::unique_ptr<Connection>> log_in(session::Session& session, net::Stream& stream) {
  LoginStory story{session, stream};
  try {
    co_return co_await story.tell();
  } catch (const LoginFailure& failure) {
    session.metrics().logins_failed.add();
    story.tell_client(failure.for_client());
    throw;
  } catch (const PeerError& error) {
    session.metrics().logins_failed.add();
    story.tell_client(handshake_err(error.what()));
    throw;
  }
}

}  // namespace perilune::proto::mysql
