#include "proto/postgres/login_story.hh"

#include <fmt/format.h>

#include <exception>
#include <utility>

#include "auth/random.hh"
#include "proto/postgres/authenticate.hh"
#include "proto/postgres/cancel.hh"
#include "proto/postgres/greeting.hh"
#include "session/cancel_keys.hh"
#include "session/proxy_header.hh"
#include "wire/postgres/framing.hh"

namespace perilune::proto::postgres {

namespace wire = perilune::wire::postgres;
namespace sqlstate = wire::sqlstate;

namespace {

// Notices and changed parameters between the login and the first statement.
constexpr std::size_t kMostSettling = 1024 * 1024;
// As long as PostgreSQL's own.
constexpr std::size_t kKeySize = 32;

// Null where the script has given none.
auth::PostgresCredentials credentials_of(const session::ConnectTo& decision) {
  auth::PostgresCredentials credentials;
  credentials.password = auth::clone(decision.credentials.password);
  return credentials;
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
  throw LoginFailure(
      fatal(sqlstate::kConnectionFailure,
            fmt::format("no server of cluster {} is available", decision.cluster->name())),
      complaint, &stats::Cells::logins_unreachable);
}

}  // namespace

LoginStory::LoginStory(session::Session& session, net::Stream& stream)
    : session_(session),
      tally_(session),
      client_(session, stream),
      clock_(session.loop(), session.handshake_limit(),
             [this] { session_.stop(session::StopReason::HandshakeTimeout); }),
      challenge_(session, client_, clock_) {}

event::Task<std::unique_ptr<Connection>> LoginStory::tell() {
  const auto cancel = co_await client_.receive_startup();
  if (cancel) {
    tally_.forgo();  // counted as what it is
    co_await pass_cancel(session_, *cancel);
    co_return nullptr;
  }
  const bool welcome = co_await is_welcome();
  if (!welcome) co_return nullptr;
  session::Login login = client_.introduce();
  session::Decision decision = co_await ask_script(std::move(login));
  if (is_refused(decision)) co_return nullptr;
  auto connection = co_await go_where(std::move(decision));
  const bool let_in = co_await is_let_in(connection->status);
  if (!let_in) co_return nullptr;
  tally_.conclude(&stats::Cells::logins_accepted);
  co_return connection;
}

event::Task<std::unique_ptr<Connection>> LoginStory::go_where(session::Decision decision) {
  if (auto* const target = std::get_if<session::ConnectTo>(&decision)) {
    co_return co_await connect(std::move(*target));
  }
  co_return serve();
}

// Clients understand an error from their StartupMessage on. Who only wants to cancel is let in
// always, as by servers.
event::Task<bool> LoginStory::is_welcome() {
  if (session_.is_over_limit()) {
    tally_.reject();
    client_.send_error(fatal(sqlstate::kTooManyConnections, "sorry, too many clients already"));
    co_return false;
  }
  if (!session_.hooks().has_on_connect()) co_return true;
  clock_.pause();
  const session::Decision decision = co_await session_.hooks().on_connect();
  clock_.resume();
  const auto* refusal = std::get_if<session::Refuse>(&decision);
  if (refusal == nullptr) co_return true;
  tally_.reject();
  refuse(*refusal, fatal(sqlstate::kRejectedConnection, "connection refused"));
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
  refuse(*refusal, challenge_.was_refused()
                       ? wrong_password(session_)
                       : fatal(sqlstate::kInvalidAuthorization, "access denied"));
  return true;
}

// --- to a server

event::Task<std::unique_ptr<Connection>> LoginStory::connect(session::ConnectTo decision) {
  session_.enter(session::Phase::Connect);
  const std::unique_ptr<Back> server = co_await reach(decision);
  session_.enter(session::Phase::ServerLogin);
  co_await authenticate(*server, decision);
  Settled settled = co_await settle(*server);
  note_keys(settled, decision);
  auto connection = std::make_unique<Connection>();
  connection->server = server->take();
  connection->status = settled.status;
  connection->mirror = session::make_mirror(session_, decision.mirror);
  session_.server_thread = settled.process_id;
  welcome(std::move(settled.for_client));
  co_return connection;
}

// Who was challenged by us cannot be challenged by the server as well.
event::Task<> LoginStory::authenticate(Back& server, const session::ConnectTo& decision) {
  if (!decision.has_credentials() && !challenge_.was_made()) {
    co_await pass_login_through(session_, client_, server, decision.login.user);
    co_return;
  }
  const auth::PostgresCredentials given = credentials_of(decision);
  const auth::PostgresCredentials& known = decision.has_credentials() ? given : challenge_.learnt();
  co_await log_in_with_credentials(server, known, decision.login.user,
                                   session_.services().scram_keys);
}

event::Task<std::unique_ptr<Back>> LoginStory::reach(session::ConnectTo& decision) {
  if (decision.cluster) co_return co_await reach_node(decision);
  auto server = make_server(decision);
  const wire::StartupMessage startup = make_startup(decision.login);
  co_await server->open(decision, startup, decision.connect_timeout);
  co_return server;
}

// The place counts for the session from the first moment.
event::Task<std::unique_ptr<Back>> LoginStory::reach_node(session::ConnectTo& decision) {
  cluster::Attempts attempts = session::make_attempts(session_, decision);
  const wire::StartupMessage startup = make_startup(decision.login);
  std::unique_ptr<Back> server;
  for (;;) {
    session_.lease = co_await place(attempts, decision);
    server = make_server(decision);
    std::exception_ptr failure;
    std::string reason;
    try {
      co_await server->open(decision, startup, attempts.share());
    } catch (const PeerError& error) {
      failure = std::current_exception();
      reason = error.what();
    }
    if (!failure) break;
    const bool refused = server->was_refused();
    if (!server->connect_problem().empty()) reason = server->connect_problem();
    session_.server = {};
    const bool more =
        session::give_up_place(session_, attempts, std::move(session_.lease), reason, refused);
    if (!more) std::rethrow_exception(failure);
  }
  attempts.succeed(session_.lease->node());
  co_return server;
}

std::unique_ptr<Back> LoginStory::make_server(const session::ConnectTo& decision) const {
  auto server = std::make_unique<Back>(session_.loop(), &session_.metrics(), session_.server);
  server->announce(session::make_proxy_header(session_, decision.send_proxy));
  return server;
}

wire::StartupMessage LoginStory::make_startup(const session::Login& login) const {
  wire::StartupMessage startup;
  startup.version = client_.version();
  startup.parameters.push_back({"user", login.user});
  if (!login.database.empty()) startup.parameters.push_back({"database", login.database});
  for (const auto& [name, value] : login.attributes) startup.parameters.push_back({name, value});
  return startup;
}

event::Task<LoginStory::Settled> LoginStory::settle(Back& server) const {
  Settled settled;
  bool more = true;
  while (more) {
    Received message = co_await server.receive();
    more = take(std::move(message), settled);
  }
  co_return settled;
}

// False: that was the last message.
bool LoginStory::take(Received message, Settled& settled) const {
  const auto tag = static_cast<wire::BackendTag>(message.tag);
  switch (tag) {
    case wire::BackendTag::ParameterStatus:
      note_parameter(session_, message.body);
      break;
    case wire::BackendTag::NoticeResponse:
      break;
    case wire::BackendTag::BackendKeyData: {
      const auto data = wire::decode_backend_key_data(message.body);
      if (!data) throw PeerError(fmt::format("Server sent a bad key: {}", data.error().what));
      settled.process_id = data->process_id;
      settled.key.assign(data->key.begin(), data->key.end());
      return true;
    }
    case wire::BackendTag::ReadyForQuery: {
      const auto status = wire::decode_ready_for_query(message.body);
      if (!status) throw PeerError(status.error().what);
      settled.status = *status;
      return false;
    }
    case wire::BackendTag::ErrorResponse:
      throw server_refusal(message.body);
    default:
      throw PeerError("Server sent something unexpected behind its login");
  }
  wire::append_message(settled.for_client, tag, message.body);
  if (settled.for_client.size() > kMostSettling) throw PeerError("Server does not get ready");
  return true;
}

Buffer LoginStory::make_key() const {
  Buffer key(client_.version() >= wire::kProtocol32 ? kKeySize : wire::kOldCancelKeySize);
  auth::fill_random(key);
  return key;
}

void LoginStory::note_keys(const Settled& settled, const session::ConnectTo& decision) {
  if (settled.key.empty()) return;
  auto keys = std::make_unique<session::CancelKeys>();
  keys->own = make_key();
  session::CancelTarget& target = keys->target.emplace();
  target.server = session_.server.expand();
  target.process_id = settled.process_id;
  target.key = settled.key;
  target.tls.mode = decision.tls.mode;
  if (decision.tls.client) target.tls.files = decision.tls.client->options();
  target.tls.server_name =
      decision.tls.server_name.empty() ? net::host_of(decision.target) : decision.tls.server_name;
  target.send_proxy = decision.send_proxy;
  target.connect_timeout = decision.connect_timeout;
  session_.cancel_keys = std::move(keys);
}

// --- to nobody

std::unique_ptr<Connection> LoginStory::serve() {
  auto keys = std::make_unique<session::CancelKeys>();
  keys->own = make_key();
  session_.cancel_keys = std::move(keys);
  welcome(parameters_of_our_own(session_, client_.startup()));
  return std::make_unique<Connection>();
}

// --- the end of the login

// `messages`: what comes between AuthenticationOk and the key.
void LoginStory::welcome(Buffer messages) {
  Buffer out;
  wire::append_authentication(out, wire::AuthRequest::Ok);
  append(out, messages);
  if (session_.cancel_keys) {
    wire::append_backend_key_data(out, {session_.id(), session_.cancel_keys->own});
  }
  client_.send(std::move(out));
}

// The client is not ready before the script has said so.
event::Task<bool> LoginStory::is_let_in(wire::TransactionStatus status) {
  if (session_.hooks().has_on_command_phase()) {
    clock_.pause();
    const session::Decision decision = co_await session_.hooks().on_command_phase();
    const auto* refusal = std::get_if<session::Refuse>(&decision);
    if (refusal != nullptr) {
      tally_.conclude(tally_.outcome_of(*refusal, challenge_.was_refused()));
      refuse(*refusal, fatal(sqlstate::kInvalidAuthorization, "access denied"));
      co_return false;
    }
  }
  Buffer ready;
  wire::append_ready_for_query(ready, status);
  client_.send(std::move(ready));
  co_return true;
}

void LoginStory::refuse(const session::Refuse& refusal, Fault usual) {
  client_.send_error(postgres::refusal(refusal, std::move(usual)));
}

LoginFailure::Outcome LoginStory::outcome_of(const PeerError& error) noexcept {
  if (dynamic_cast<const ClientGone*>(&error) != nullptr) return &stats::Cells::logins_client_gone;
  const auto* const broken = dynamic_cast<const BrokenProtocol*>(&error);
  if (broken != nullptr && broken->who() == BrokenProtocol::By::Client) {
    return &stats::Cells::logins_malformed;
  }
  return tally_.outcome_of_break();
}

void LoginStory::log_login(const session::Login& login) const {
  const log::Logger& logger = session_.services().logger;
  if (!logger.shows(log::Level::Info)) return;
  const std::string name = session_.name();
  logger.with(name).info("login", log::field("user", login.user),
                         log::field("database", login.database));
}

}  // namespace perilune::proto::postgres
