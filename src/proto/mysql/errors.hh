#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "session/decision.hh"
#include "session/session.hh"
#include "util/error.hh"
#include "wire/mysql/reply.hh"

namespace perilune::proto::mysql {

// A login that cannot go on: the client is told the one, the log the other.
class LoginFailure : public PeerError {
 public:
  // Where it is counted.
  using Outcome = stats::Cell stats::Cells::*;

  LoginFailure(wire::mysql::Err for_client, const std::string& for_log,
               Outcome outcome = &stats::Cells::logins_failed)
      : PeerError(for_log), for_client_(std::move(for_client)), outcome_(outcome) {}
  const wire::mysql::Err& for_client() const noexcept { return for_client_; }
  Outcome outcome() const noexcept { return outcome_; }

 private:
  wire::mysql::Err for_client_;
  Outcome outcome_;
};

wire::mysql::Err make_err(wire::mysql::ErrorCode code, std::string sql_state, std::string message);

// 1043, 08S01: what myproxy's users know for every login that does not reach a server.
wire::mysql::Err handshake_err(std::string message);
// 1045, 28000: in the servers' own words.
wire::mysql::Err access_denied_err(const session::Session& session, bool with_password);
// 1047, 08S01: a connection that breaks in the command phase.
wire::mysql::Err command_err(std::string message);

// 1153, 08S01 and 1041, HY000: statements that no callback can see as a whole.
wire::mysql::Err too_long_err(std::uint64_t max_query);
wire::mysql::Err no_memory_err();

// The script's refusal; what it leaves open is taken from `usual`.
wire::mysql::Err refusal_err(const session::Refuse& refusal, wire::mysql::Err usual);

// What a client is told when its session is stopped from outside; not for StopReason::Dropped.
wire::mysql::Err farewell_err(session::StopReason reason);

}  // namespace perilune::proto::mysql
