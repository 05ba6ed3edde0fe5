#include "proto/mysql/login.hh"

#include <optional>
#include <string>
#include <utility>

#include "auth/mariadb_tls_proof.hh"
#include "event/countdown.hh"
#include "proto/mysql/authenticate.hh"
#include "proto/mysql/back.hh"
#include "proto/mysql/challenge.hh"
#include "proto/mysql/errors.hh"
#include "proto/mysql/front.hh"
#include "wire/mysql/reply.hh"

namespace perilune::proto::mysql {

namespace wire = perilune::wire::mysql;

namespace {

// Null: the script has given no credentials.
std::unique_ptr<const session::KnownLogin> known_login(const session::ConnectTo& decision) {
  if (!decision.has_credentials()) return nullptr;
  auto known = std::make_unique<session::KnownLogin>();
  known->user = decision.login.user;
  known->credentials = auth::clone(decision.credentials);
  known->tls = decision.tls;
  if (known->tls.server_name.empty()) known->tls.server_name = net::host_of(decision.target);
  known->connect_timeout = decision.connect_timeout;
  known->send_proxy = decision.send_proxy;
  return known;
}

// The login's steps share these.
class LoginStory {
 public:
  LoginStory(session::Session& session, net::Stream& stream)
      : session_(session),
        client_(session, stream),
        clock_(session.loop(), session.handshake_limit(),
               [&session] { session.stop(session::StopReason::HandshakeTimeout); }),
        challenge_(session, client_, clock_) {}
  LoginStory(const LoginStory&) = delete;
  LoginStory& operator=(const LoginStory&) = delete;
  ~LoginStory() {
    if (session_.stop_reason() == session::StopReason::ClientGone) {
      session_.metrics().handshakes_aborted.add();
    }
  }

  event::Task<std::unique_ptr<Connection>> tell();
  void tell_client(const wire::Err& err) { client_.send_error(err); }
  void count_failure();

 private:
  event::Task<bool> is_welcome();
  event::Task<session::Decision> ask_script();
  event::Task<std::unique_ptr<Connection>> connect(session::ConnectTo decision);
  event::Task<std::unique_ptr<Connection>> serve();
  std::optional<std::string> certificate_proof(const auth::Credentials& known) const;
  event::Task<bool> is_let_in();
  void refuse(const session::Refuse& refusal, wire::Err usual);
  void log_login(const session::Login& login) const;

  session::Session& session_;
  Front client_;
  event::Countdown clock_;  // the script's own thinking does not count
  Challenge challenge_;
};

event::Task<std::unique_ptr<Connection>> LoginStory::tell() {
  const bool welcome = co_await is_welcome();
  if (!welcome) co_return nullptr;
  client_.greet();
  session::Decision decision = co_await ask_script();
  if (const auto* refusal = std::get_if<session::Refuse>(&decision)) {
    session_.metrics().logins_refused.add();
    refuse(*refusal, challenge_.was_refused() ? access_denied_err(session_, client_.has_password())
                                              : handshake_err("Access denied"));
    co_return nullptr;
  }
  std::unique_ptr<Connection> connection;
  if (auto* target = std::get_if<session::ConnectTo>(&decision)) {
    connection = co_await connect(std::move(*target));
  } else {
    connection = co_await serve();
  }
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
  session::Decision decision = co_await session_.hooks().on_login(std::move(login), challenge_);
  clock_.resume();
  co_return decision;
}

event::Task<std::unique_ptr<Connection>> LoginStory::connect(session::ConnectTo decision) {
  Back server{session_};
  server.announce(decision.send_proxy);
  co_await server.open(decision.target, decision.connect_timeout);
  session_.server_version = server.greeting().server_version;
  // Who was challenged by us cannot be challenged by the server as well.
  const bool by_ourselves = decision.has_credentials() || challenge_.was_made();
  auto known = known_login(decision);
  if (!decision.has_credentials()) decision.credentials = auth::clone(challenge_.learnt());
  Buffer ok;
  if (by_ourselves) {
    ok = co_await log_in_with_credentials(client_, server, decision);
    if (!challenge_.was_made()) co_await client_.satisfy_method();
  } else {
    ok = co_await pass_login_through(session_, client_, server, decision);
  }
  auto connection = std::make_unique<Connection>();
  connection->capabilities = client_.capabilities() & server.greeting().capabilities;
  auto decoded = wire::decode_ok(ok, connection->capabilities);
  if (!decoded) {
    throw LoginFailure(handshake_err("Malformed packet from server"), decoded.error().what);
  }
  connection->status = decoded->status;
  connection->server = server.take();
  session_.server_thread = server.greeting().connection_id;
  session_.known_login = std::move(known);
  if (auto proof = certificate_proof(decision.credentials)) {
    decoded->info = *std::move(proof);
    ok.clear();
    wire::append_ok(ok, *decoded, connection->capabilities);
  }
  client_.welcome(ok);
  co_return connection;
}

// The client has its OK without any server having seen it.
event::Task<std::unique_ptr<Connection>> LoginStory::serve() {
  if (!challenge_.was_made()) co_await client_.satisfy_method();
  auto connection = std::make_unique<Connection>();
  connection->capabilities = client_.capabilities();
  connection->status = wire::status::kAutocommit;
  wire::Ok ok;
  ok.status = connection->status;
  ok.info = certificate_proof({}).value_or("");
  Buffer payload;
  wire::append_ok(payload, ok, connection->capabilities);
  client_.welcome(payload);
  co_return connection;
}

// Clients of MariaDB trust a certificate that nobody signed when its owner knows their password.
std::optional<std::string> LoginStory::certificate_proof(const auth::Credentials& known) const {
  const net::Tls* const tls = session_.client_tls();
  if (tls == nullptr || client_.is_mysql_library()) return std::nullopt;
  const auth::Sha256& fingerprint = tls->server()->fingerprint();
  if (challenge_.was_made()) {
    const auto hash = challenge_.password_hash();
    if (!hash) return std::nullopt;
    return auth::mariadb_tls_proof(hash->bytes(), client_.scramble(), fingerprint);
  }
  if (!known.password || known.password->empty()) return std::nullopt;
  const auth::MysqlVerifier verifier = auth::ClearPassword{known.password->clone()};
  return auth::mariadb_tls_proof(client_.own_plugin(), verifier, client_.scramble(), fingerprint);
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

void LoginStory::count_failure() {
  const net::Tls* const tls = session_.client_tls();
  const bool by_tls = tls != nullptr && tls->state() == net::Tls::State::Failed;
  stats::Cells& metrics = session_.metrics();
  (by_tls ? metrics.tls_handshakes_failed : metrics.logins_failed).add();
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
    story.count_failure();
    story.tell_client(handshake_err(error.what()));
    throw;
  }
}

}  // namespace perilune::proto::mysql
