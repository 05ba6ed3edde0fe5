#include "proto/mysql/login_story.hh"

#include <fmt/format.h>

#include <exception>
#include <string>
#include <utility>

#include "auth/mariadb_tls_proof.hh"
#include "proto/mysql/authenticate.hh"
#include "proto/mysql/errors.hh"
#include "session/proxy_header.hh"

namespace perilune::proto::mysql {

namespace wire = perilune::wire::mysql;

namespace {

// All that makes one server connection different from another. Rules for TLS are the same object
// for the whole session, whose script keeps them.
std::string target_key(const session::ConnectTo& decision) {
  return fmt::format("{} {} {} {} {}", net::text_of(decision.target),
                     static_cast<int>(decision.send_proxy), static_cast<int>(decision.tls.mode),
                     fmt::ptr(decision.tls.client.get()), decision.tls.server_name);
}

// Null: the script has given no credentials, and nothing was learnt.
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

event::Task<session::LeasePtr> place(cluster::Attempts& attempts, session::ConnectTo& decision) {
  session::LeasePtr lease;
  std::string complaint;
  try {
    lease = co_await session::take_place(attempts, decision);
  } catch (const cluster::NoNode& error) {
    complaint = error.what();
  }
  if (lease) co_return lease;
  const std::string& name = decision.cluster->name();
  throw LoginFailure(
      handshake_err(fmt::format("Connection error: no server of cluster {} is available", name)),
      complaint, &stats::Cells::logins_unreachable);
}

}  // namespace

LoginStory::LoginStory(session::Session& session, net::Stream& stream)
    : session_(session),
      tally_(session),
      client_(session, stream),
      clock_(session.loop(), session.handshake_limit(), timed_out()),
      challenge_(session, client_, clock_) {}

LoginStory::LoginStory(session::Session& session, net::Stream& stream, const ClientTerms& terms,
                       ChangeCommand command)
    : session_(session),
      tally_(session),
      client_(session, stream, terms, std::move(command)),
      clock_(session.loop(), session.handshake_limit(), timed_out()),
      challenge_(session, client_, clock_) {
  tally_.forgo();  // changes of user are counted elsewhere
}

UniqueFunction<void()> LoginStory::timed_out() {
  return [this] { session_.stop(session::StopReason::HandshakeTimeout); };
}

event::Task<std::unique_ptr<Connection>> LoginStory::tell() {
  const bool welcome = co_await is_welcome();
  if (!welcome) co_return nullptr;
  client_.greet();
  session::Login login = co_await client_.receive_login();
  session::Decision decision = co_await ask_script(std::move(login));
  if (is_refused(decision)) co_return nullptr;
  auto connection = co_await go_where(std::move(decision));
  const bool let_in = co_await is_let_in();
  if (!let_in) co_return nullptr;
  tally_.conclude(&stats::Cells::logins_accepted);
  co_return connection;
}

event::Task<std::unique_ptr<Connection>> LoginStory::tell_change(Connection& present) {
  session::Login login = client_.take_change();
  session::Decision decision = co_await ask_script(std::move(login));
  if (is_refused(decision)) co_return nullptr;
  auto* const target = std::get_if<session::ConnectTo>(&decision);
  if (target != nullptr) stay_if_possible(*target);
  if (target != nullptr && is_present(*target, present)) {
    co_return co_await change_in_place(std::move(*target), present);
  }
  co_return co_await go_where(std::move(decision));
}

event::Task<std::unique_ptr<Connection>> LoginStory::go_where(session::Decision decision) {
  if (auto* const target = std::get_if<session::ConnectTo>(&decision)) {
    co_return co_await connect(std::move(*target));
  }
  co_return co_await serve();
}

event::Task<bool> LoginStory::is_welcome() {
  session::Decision decision;
  if (session_.is_over_limit()) {
    const session::Refuse too_many{"Too many connections", {}, {}};
    tally_.reject();
    refuse(too_many, make_err(wire::ErrorCode::TooManyConnections, "08004", {}));
    co_return false;
  }
  if (!session_.hooks().has_on_connect()) co_return true;
  clock_.pause();
  decision = co_await session_.hooks().on_connect();
  clock_.resume();
  const auto* refusal = std::get_if<session::Refuse>(&decision);
  if (refusal == nullptr) co_return true;
  tally_.reject();
  refuse(*refusal, handshake_err("Connection refused"));
  co_return false;
}

event::Task<session::Decision> LoginStory::ask_script(session::Login login) {
  log_login(login);
  clock_.pause();
  session::Decision decision = co_await session_.hooks().on_login(std::move(login), challenge_);
  clock_.resume();
  co_return decision;
}

bool LoginStory::is_refused(const session::Decision& decision) {
  const auto* refusal = std::get_if<session::Refuse>(&decision);
  if (refusal == nullptr) return false;
  tally_.conclude(tally_.outcome_of(*refusal, challenge_.was_refused()));
  refuse(*refusal, challenge_.was_refused() ? access_denied_err(session_, client_.has_password())
                                            : handshake_err("Access denied"));
  return true;
}

event::Task<std::unique_ptr<Connection>> LoginStory::connect(session::ConnectTo decision) {
  // Until a change has succeeded the session is where it was.
  net::SmallAddress connected;
  net::SmallAddress& address = client_.is_change() ? connected : session_.server;
  session_.enter(session::Phase::Connect);
  Reached reached = co_await reach(decision, address);
  session_.enter(session::Phase::ServerLogin);
  Back& server = *reached.server;
  session_.server_version = server.greeting().server_version;
  // Who was challenged by us cannot be challenged by the server as well.
  const bool by_ourselves = decision.has_credentials() || challenge_.was_made();
  if (!decision.has_credentials()) decision.credentials = auth::clone(challenge_.learnt());
  auto known = known_login(decision);
  Buffer ok;
  if (by_ourselves) {
    ok = co_await log_in_with_credentials(client_.response(), server, decision);
    if (!challenge_.was_made()) co_await client_.satisfy_method();
  } else {
    ok = co_await pass_login_through(session_, client_, server, decision);
  }
  const std::uint64_t capabilities = client_.capabilities() & server.greeting().capabilities;
  const std::uint32_t thread = server.greeting().connection_id;
  auto connection = welcome(server, std::move(ok), capabilities, decision);
  if (connected) session_.server = std::move(connected);
  if (client_.is_change()) session_.lease = std::move(reached.lease);
  session_.server_thread = thread;
  session_.known_login = std::move(known);
  co_return connection;
}

event::Task<LoginStory::Reached> LoginStory::reach(session::ConnectTo& decision,
                                                   net::SmallAddress& address) {
  if (decision.cluster) co_return co_await reach_node(decision, address);
  Reached reached;
  reached.server = make_server(decision, address);
  co_await reached.server->open(decision, decision.connect_timeout);
  co_return reached;
}

// The place counts for the session from the first moment; in a change, beside the one it has.
event::Task<LoginStory::Reached> LoginStory::reach_node(session::ConnectTo& decision,
                                                        net::SmallAddress& address) {
  cluster::Attempts attempts = session::make_attempts(session_, decision);
  Reached reached;
  session::LeasePtr& lease = client_.is_change() ? reached.lease : session_.lease;
  for (;;) {
    lease = co_await place(attempts, decision);
    reached.server = make_server(decision, address);
    std::exception_ptr failure;
    std::string reason;
    try {
      co_await reached.server->open(decision, attempts.share());
    } catch (const PeerError& error) {
      failure = std::current_exception();
      reason = error.what();
    }
    if (!failure) break;
    const bool refused = reached.server->was_refused();
    if (!reached.server->connect_problem().empty()) reason = reached.server->connect_problem();
    address = {};
    const bool more = session::give_up_place(session_, attempts, std::move(lease), reason, refused);
    if (!more) std::rethrow_exception(failure);
  }
  attempts.succeed(lease->node());
  co_return reached;
}

std::unique_ptr<Back> LoginStory::make_server(const session::ConnectTo& decision,
                                              net::SmallAddress& address) const {
  auto server = std::make_unique<Back>(session_, address);
  server->announce(session::make_proxy_header(session_, decision.send_proxy));
  return server;
}

// Who would be sent where it is need not be sent anywhere.
void LoginStory::stay_if_possible(session::ConnectTo& decision) const {
  if (!decision.cluster || !session_.lease) return;
  const cluster::Node& node = session_.lease->node();
  const bool same_wish = session_.lease->is_read_only() == decision.wish.read_only;
  if (same_wish && decision.cluster->would_stay(node, decision.wish)) {
    decision.target = node.endpoint();
  }
}

// The client has its OK without any server having seen it.
event::Task<std::unique_ptr<Connection>> LoginStory::serve() {
  if (!challenge_.was_made()) co_await client_.satisfy_method();
  auto connection = std::make_unique<Connection>();
  connection->capabilities = client_.capabilities();
  connection->status = wire::status::kAutocommit;
  connection->client = client_.terms();
  connection->target = session_.services().texts.share({});
  session_.server = {};
  session_.lease.reset();
  session_.server_thread = 0;
  session_.known_login.reset();
  wire::Ok ok;
  ok.status = connection->status;
  ok.info = certificate_proof({}).value_or("");
  Buffer payload;
  wire::append_ok(payload, ok, connection->capabilities);
  client_.welcome(payload);
  co_return connection;
}

// Whether the server can decide on the connection that is there.
bool LoginStory::is_present(const session::ConnectTo& decision, const Connection& present) const {
  return !decision.has_credentials() && !challenge_.was_made() &&
         *present.target == target_key(decision);
}

// Whoever refuses, the server has rolled back and forgotten by then what it was asked to forget.
event::Task<std::unique_ptr<Connection>> LoginStory::change_in_place(session::ConnectTo decision,
                                                                     Connection& present) {
  Back server{session_};
  Buffer ok;
  std::exception_ptr failure;
  present.status = wire::status::kAutocommit;
  try {
    ok = co_await pass_change_through(session_, client_, server, decision.login, present);
  } catch (const LoginFailure&) {
    failure = std::current_exception();
  }
  if (failure) {
    co_await server.be_refused();
    present.server = server.take();
    std::rethrow_exception(failure);
  }
  session_.known_login.reset();
  co_return welcome(server, std::move(ok), present.capabilities, decision);
}

std::unique_ptr<Connection> LoginStory::welcome(Back& server, Buffer ok, std::uint64_t capabilities,
                                                const session::ConnectTo& decision) {
  auto decoded = wire::decode_ok(ok, capabilities);
  if (!decoded) {
    throw LoginFailure(handshake_err("Malformed packet from server"), decoded.error().what);
  }
  auto connection = std::make_unique<Connection>();
  connection->capabilities = capabilities;
  connection->status = decoded->status;
  connection->server = server.take();
  connection->client = client_.terms();
  connection->mirror = session::make_mirror(session_, decision.mirror);
  connection->target = session_.services().texts.share(target_key(decision));
  if (auto proof = certificate_proof(decision.credentials)) {
    decoded->info = *std::move(proof);
    ok.clear();
    wire::append_ok(ok, *decoded, capabilities);
  }
  client_.welcome(ok);
  return connection;
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
  tally_.conclude(tally_.outcome_of(*refusal, challenge_.was_refused()));
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
  const log::Logger named = logger.with(name);
  const auto user = log::field("user", login.user);
  const auto database = log::field("database", login.database);
  if (login.change) {
    named.info("login", user, database, log::field("change", true));
  } else {
    named.info("login", user, database);
  }
}

}  // namespace perilune::proto::mysql
