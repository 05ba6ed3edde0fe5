#include "session/directory.hh"

#include "auth/secret.hh"
#include "session/session.hh"

namespace perilune::session {

namespace {

bool is_at(const Session& session, const cluster::Node& node) noexcept {
  return session.lease && session.lease->node().is_same_server(node);
}

}  // namespace

SessionRow row_of(const Session& session, unsigned worker) {
  SessionRow row;
  row.id = session.id();
  row.protocol = session.listener().declaration.protocol;
  row.address = session.peer();
  row.user = session.user;
  row.account = session.account;
  row.database = session.database;
  row.server = session.server.expand();
  row.server_version = session.server_version;
  row.connected_at = session.connected_at();
  row.bytes_in = session.traffic.from_client;
  row.bytes_out = session.traffic.from_server;
  row.queries = session.traffic.statements;
  row.worker = worker;
  row.draining = session.is_draining();
  return row;
}

std::vector<SessionRow> rows_of(SessionList& sessions, unsigned worker) {
  std::vector<SessionRow> rows;
  sessions.for_each([&rows, worker](const Session& session) {
    if (session.is_introduced()) rows.push_back(row_of(session, worker));
  });
  return rows;
}

Session* find(SessionList& sessions, std::uint32_t id) {
  Session* found = nullptr;
  sessions.for_each([&found, id](Session& session) {
    if (session.id() == id && session.is_introduced()) found = &session;
  });
  return found;
}

bool disconnect(SessionList& sessions, std::uint32_t id) {
  Session* const session = find(sessions, id);
  if (session != nullptr) session->stop(StopReason::Disconnect);
  return session != nullptr;
}

std::size_t stop_account(SessionList& sessions, std::string_view account, StopReason reason) {
  std::size_t count = 0;
  sessions.for_each([&count, account, reason](Session& session) {
    if (session.account != account || session.stop_reason() != StopReason::None) return;
    session.stop(reason);
    ++count;
  });
  return count;
}

std::optional<ServerThread> thread_of(SessionList& sessions, std::uint32_t id) {
  const Session* const session = find(sessions, id);
  const bool has_statements =
      session != nullptr && session->listener().declaration.protocol == Protocol::Mysql;
  if (!has_statements) return std::nullopt;
  ServerThread thread;
  thread.id = session->server_thread;
  thread.server = session->server.expand();
  thread.user = session->user;
  thread.account = session->account;
  if (session->lease) {
    thread.cluster = session->lease->settings();
    thread.server_name = net::host_of(session->lease->node().endpoint());
  }
  if (session->known_login) thread.server_name = session->known_login->tls.server_name;
  return thread;
}

std::optional<CancelTarget> cancel_target(SessionList& sessions, std::uint32_t id, Bytes key) {
  const Session* const session = find(sessions, id);
  if (session == nullptr || !session->cancel_keys) return std::nullopt;
  const CancelKeys& keys = *session->cancel_keys;
  if (!auth::equal_in_constant_time(keys.own, key)) return std::nullopt;
  return keys.target;
}

void drain_at(SessionList& sessions, const cluster::Node& node) {
  sessions.for_each([&node](Session& session) {
    if (is_at(session, node)) session.drain();
  });
}

void stop_at(SessionList& sessions, const cluster::Node& node) {
  sessions.for_each([&node](Session& session) {
    if (is_at(session, node)) session.stop(StopReason::Shutdown);
  });
}

void drop_at(SessionList& sessions, const cluster::Node& node) {
  sessions.for_each([&node](Session& session) {
    const bool drops = is_at(session, node) && !session.lease->is_read_only();
    if (drops) session.stop(StopReason::NodeUnavailable);
  });
}

}  // namespace perilune::session
