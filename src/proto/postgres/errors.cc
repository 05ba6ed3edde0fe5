#include "proto/postgres/errors.hh"

#include <fmt/format.h>

#include "wire/postgres/framing.hh"

namespace perilune::proto::postgres {

namespace wire = perilune::wire::postgres;
namespace sqlstate = wire::sqlstate;

Fault fatal(std::string_view sql_state, std::string message, std::string hint) {
  return {wire::Severity::Fatal, std::string(sql_state), std::move(message), std::move(hint)};
}

Fault error(std::string_view sql_state, std::string message) {
  return {wire::Severity::Error, std::string(sql_state), std::move(message), {}};
}

session::Refuse refusal_of(Fault fault) {
  return {std::move(fault.message), {}, std::move(fault.sql_state)};
}

void append_fault(Buffer& out, const Fault& fault) {
  wire::append_error(out, {fault.severity, fault.sql_state, fault.message, {}, fault.hint});
}

LoginFailure server_refusal(Bytes body) {
  const auto notice = wire::decode_notice(body);
  if (!notice) {
    return {fatal(sqlstate::kProtocolViolation, "malformed error from the server"),
            "malformed error of the server"};
  }
  Buffer unchanged;
  wire::append_message(unchanged, wire::BackendTag::ErrorResponse, body);
  return {std::move(unchanged),
          fmt::format("the server refuses the login: {} {}", notice->sql_state, notice->message)};
}

Fault wrong_password(const session::Session& session) {
  return fatal(sqlstate::kInvalidPassword,
               fmt::format("password authentication failed for user \"{}\"", session.user.text()));
}

Fault too_long(std::uint64_t max_query) {
  return error(sqlstate::kProgramLimitExceeded,
               fmt::format("the statement is longer than {} bytes (max_query)", max_query));
}

Fault no_memory() {
  return error(sqlstate::kOutOfMemory,
               "statements of all sessions take too much memory (memory_limit)");
}

Fault refusal(const session::Refuse& refusal, Fault usual) {
  if (!refusal.message.empty()) usual.message = refusal.message;
  if (!refusal.sqlstate.empty()) usual.sql_state = refusal.sqlstate;
  return usual;
}

Fault farewell(session::StopReason reason) {
  switch (reason) {
    case session::StopReason::HandshakeTimeout:
      return fatal(sqlstate::kQueryCanceled, "canceling authentication due to timeout");
    case session::StopReason::IdleTimeout:
      return fatal(sqlstate::kIdleSessionTimeout,
                   "terminating connection due to idle-session timeout");
    case session::StopReason::NodeUnavailable:
      return fatal(sqlstate::kAdminShutdown, "terminating connection: the node is unavailable");
    case session::StopReason::None:
    case session::StopReason::ClientGone:
    case session::StopReason::Dropped:
    case session::StopReason::Disconnect:
    case session::StopReason::Shutdown:
      break;
  }
  return fatal(sqlstate::kAdminShutdown, "terminating connection due to administrator command");
}

}  // namespace perilune::proto::postgres
