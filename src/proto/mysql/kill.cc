#include "proto/mysql/kill.hh"

#include <fmt/format.h>

#include <exception>
#include <memory>
#include <utility>

#include "cluster/settings.hh"
#include "event/first_of.hh"
#include "proto/mysql/authenticate.hh"
#include "proto/mysql/back.hh"
#include "proto/mysql/channel.hh"
#include "proto/mysql/errors.hh"
#include "proto/mysql/own_login.hh"
#include "session/directory.hh"
#include "session/proxy_header.hh"
#include "wire/mysql/handshake.hh"
#include "wire/mysql/protocol.hh"

namespace perilune::proto::mysql {

namespace wire = perilune::wire::mysql;

namespace {

// For all that happens at another server.
constexpr Millis kLimit{10000};
constexpr std::size_t kAnswerLimit = 64 * 1024;

bool may_kill(const session::Session& killer, const session::ServerThread& thread) noexcept {
  return killer.user.text() == thread.user && killer.account == thread.account;
}

// In the words of the servers' own error.
wire::Err denied(std::uint64_t id, const session::ServerThread& thread, std::string_view why) {
  return make_err(wire::ErrorCode::KillDenied, "HY000",
                  fmt::format("You are not owner of thread {}: it runs at {}, {}", id,
                              thread.server.text(), why));
}

session::ConnectTo same_login_at(const session::ServerThread& thread,
                                 const session::KnownLogin& known) {
  session::ConnectTo decision;
  decision.target = thread.server;
  decision.login.user = known.user;
  decision.credentials = auth::clone(known.credentials);
  decision.tls = known.tls;
  decision.tls.server_name = thread.server_name;
  decision.connect_timeout = known.connect_timeout;
  decision.send_proxy = known.send_proxy;
  return decision;
}

// The cluster's own login, where both sessions are in its care: what is an account at another one
// may be somebody else. Null: there is none.
const cluster::ProbeSettings* login_of_cluster(const session::Session& killer,
                                               const session::ServerThread& thread) {
  if (!killer.lease || !killer.lease->settings() || !thread.cluster) return nullptr;
  if (!cluster::is_same(*killer.lease->settings(), *thread.cluster)) return nullptr;
  const auto& probes = thread.cluster->monitoring;
  return probes && !probes->user.empty() ? &*probes : nullptr;
}

// What another server is told, and by whom.
struct Errand {
  session::ConnectTo login;
  std::string statement;
};

Errand own_errand(const session::ServerThread& thread, const session::KnownLogin& known,
                  const KillRequest& request) {
  return {same_login_at(thread, known), statement_for(request, thread.id)};
}

// Nothing of the killer's text: this user may do more than he.
Errand clusters_errand(const session::ServerThread& thread, const cluster::ProbeSettings& probes,
                       const KillRequest& request) {
  KillRequest plain;
  if (request.query_only) plain.before_id = "KILL QUERY ";
  Errand errand{login_of(probes), statement_for(plain, thread.id)};
  errand.login.target = thread.server;
  std::string& server_name = errand.login.tls.server_name;
  if (server_name.empty()) server_name = thread.server_name;
  return errand;
}

KillAnswer read_answer(Bytes payload) {
  KillAnswer answer;
  if (!wire::is_err(payload)) return answer;
  auto err = wire::decode_err(payload);
  if (!err) throw PeerError(err.error().what);
  answer.err = *std::move(err);
  return answer;
}

event::Task<KillAnswer> kill_at(session::Session& killer, session::ConnectTo decision,
                                std::string statement) {
  net::SmallAddress address;
  Back server{killer, address};
  server.announce(session::make_proxy_header(killer, decision.send_proxy));
  co_await server.open(decision, decision.connect_timeout);
  const wire::HandshakeResponse client = modest_client();
  co_await log_in_with_credentials(client, server, decision);
  const std::unique_ptr<net::Stream> stream = server.take();
  Channel channel{*stream, "Server"};
  send_command(channel, wire::Command::Query, statement);
  const Buffer payload = co_await channel.receive(kAnswerLimit);
  send_command(channel, wire::Command::Quit, {});
  co_return read_answer(payload);
}

void log_failure(const session::Session& killer, const session::ServerThread& thread,
                 const std::string& reason) {
  const std::string name = killer.name();
  killer.services().logger.with(name).warning("a KILL did not reach its server",
                                              log::field("server", thread.server.text()),
                                              log::field("reason", reason));
}

event::Task<KillAnswer> kill_elsewhere(session::Session& killer, session::ServerThread thread,
                                       KillRequest request) {
  const bool is_killers_own = killer.known_login != nullptr;
  const auto* const probes = login_of_cluster(killer, thread);
  if (!is_killers_own && probes == nullptr) {
    co_return KillAnswer{
        denied(request.id, thread, "for which the proxy knows no credentials of yours")};
  }
  std::optional<KillAnswer> answer;
  std::string reason = "timed out";
  std::string for_client = reason;
  try {
    Errand errand = is_killers_own ? own_errand(thread, *killer.known_login, request)
                                   : clusters_errand(thread, *probes, request);
    auto killing = kill_at(killer, std::move(errand.login), std::move(errand.statement));
    answer = co_await event::within(killer.loop(), kLimit, std::move(killing));
  } catch (const LoginFailure& failure) {
    reason = failure.what();
    for_client = failure.for_client().message;
  } catch (const std::exception& error) {
    for_client = reason = error.what();
  }
  if (answer) co_return *std::move(answer);
  if (!is_killers_own) for_client = "its login has failed";
  log_failure(killer, thread, reason);
  co_return KillAnswer{
      denied(request.id, thread, "where the proxy could not do it for you: " + for_client)};
}

// Being logged in, or served by the script: there is no statement to kill.
event::Task<KillAnswer> kill_without_server(session::Session& killer, std::uint32_t id,
                                            bool query_only) {
  if (!query_only) {
    co_await killer.services().directory->disconnect(id);
  }
  co_return KillAnswer{};
}

}  // namespace

bool is_session_id(std::uint64_t id) noexcept {
  return id <= UINT32_MAX && (id & session::kIdBit) != 0;
}

std::string statement_for(const KillRequest& request, std::uint32_t thread) {
  return fmt::format("{}{}{}", request.before_id, thread, request.after_id);
}

event::Task<KillDecision> decide_kill(session::Session& killer, KillRequest request) {
  session::Directory* const directory = killer.services().directory;
  if (directory == nullptr || !is_session_id(request.id)) co_return KillUnchanged{};
  const auto id = static_cast<std::uint32_t>(request.id);
  const auto thread = co_await directory->thread_of(id);
  if (!thread || !may_kill(killer, *thread)) co_return KillUnchanged{};
  KillAnswer answer;
  if (thread->id == 0) {
    answer = co_await kill_without_server(killer, id, request.query_only);
    co_return answer;
  }
  if (thread->server == killer.server.expand()) co_return KillThread{thread->id};
  answer = co_await kill_elsewhere(killer, *thread, std::move(request));
  co_return answer;
}

}  // namespace perilune::proto::mysql
