#include "proto/mysql/errors.hh"

#include <fmt/format.h>

#include <string_view>

namespace perilune::proto::mysql {

using wire::mysql::Err;
using wire::mysql::ErrorCode;

Err make_err(ErrorCode code, std::string sql_state, std::string message) {
  Err err;
  err.code = static_cast<std::uint16_t>(code);
  err.sql_state = std::move(sql_state);
  err.message = std::move(message);
  return err;
}

Err handshake_err(std::string message) {
  return make_err(ErrorCode::BadHandshake, "08S01", std::move(message));
}

Err access_denied_err(const session::Session& session, bool with_password) {
  const std::string host = session.is_local() ? "localhost" : session.peer().host();
  return make_err(ErrorCode::AccessDenied, "28000",
                  fmt::format("Access denied for user '{}'@'{}' (using password: {})",
                              session.user.text(), host, with_password ? "YES" : "NO"));
}

Err command_err(std::string message) {
  return make_err(ErrorCode::UnknownCommand, "08S01", std::move(message));
}

Err too_long_err(std::uint64_t max_query) {
  return make_err(ErrorCode::PacketTooLarge, "08S01",
                  fmt::format("The statement is longer than {} bytes (max_query)", max_query));
}

Err no_memory_err() {
  return make_err(ErrorCode::OutOfResources, "HY000",
                  "Statements of all sessions take too much memory (memory_limit)");
}

Err refusal_err(const session::Refuse& refusal, Err usual) {
  if (!refusal.message.empty()) usual.message = refusal.message;
  if (refusal.code) usual.code = *refusal.code;
  if (!refusal.sqlstate.empty()) {
    usual.sql_state = refusal.sqlstate;
  } else if (refusal.code) {
    usual.sql_state.clear();
  }
  return usual;
}

Err farewell_err(session::StopReason reason) {
  switch (reason) {
    case session::StopReason::HandshakeTimeout:
      return handshake_err("Login took too long");
    case session::StopReason::IdleTimeout:
      return make_err(ErrorCode::ClientInteractionTimeout, "HY000",
                      "The client was disconnected because of inactivity");
    case session::StopReason::Disconnect:
      return make_err(ErrorCode::ConnectionKilled, "70100", "Connection was killed");
    case session::StopReason::NodeUnavailable:
      return command_err("Node is unavailable");
    case session::StopReason::None:
    case session::StopReason::ClientGone:
    case session::StopReason::Dropped:
    case session::StopReason::Shutdown:
      break;
  }
  return make_err(ErrorCode::ServerShutdown, "08S01", "Server shutdown in progress");
}

}  // namespace perilune::proto::mysql
