#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "session/decision.hh"
#include "session/session.hh"
#include "util/bytes.hh"
#include "util/error.hh"
#include "wire/postgres/notice.hh"

namespace perilune::proto::postgres {

// What the proxy says itself: wire::Error with memory of its own.
struct Fault {
  wire::postgres::Severity severity = wire::postgres::Severity::Error;
  std::string sql_state;
  std::string message;
  std::string hint;
};

Fault fatal(std::string_view sql_state, std::string message, std::string hint = {});
Fault error(std::string_view sql_state, std::string message);

// As what a script may decide.
session::Refuse refusal_of(Fault fault);

// As an ErrorResponse.
void append_fault(Buffer& out, const Fault& fault);

// A login that cannot go on: the client is told the one, the log the other.
class LoginFailure : public PeerError {
 public:
  // Where it is counted.
  using Outcome = stats::Cell stats::Cells::*;

  LoginFailure(const Fault& for_client, const std::string& for_log,
               Outcome outcome = &stats::Cells::logins_failed)
      : PeerError(for_log), outcome_(outcome) {
    append_fault(for_client_, for_client);
  }
  // `for_client`: an ErrorResponse as the server has sent it.
  LoginFailure(Buffer for_client, const std::string& for_log)
      : PeerError(for_log),
        for_client_(std::move(for_client)),
        outcome_(&stats::Cells::logins_denied) {}

  const Buffer& for_client() const noexcept { return for_client_; }
  Outcome outcome() const noexcept { return outcome_; }

 private:
  Buffer for_client_;
  Outcome outcome_;
};

// The server's ErrorResponse of this body, which the client gets unchanged.
LoginFailure server_refusal(Bytes body);

// 28P01, in the servers' own words.
Fault wrong_password(const session::Session& session);
// 54000 and 53200: statements that no callback can see as a whole.
Fault too_long(std::uint64_t max_query);
Fault no_memory();

// The script's refusal; what it leaves open is taken from `usual`.
Fault refusal(const session::Refuse& refusal, Fault usual);

// What a client is told when its session is stopped from outside; not for StopReason::Dropped.
Fault farewell(session::StopReason reason);

}  // namespace perilune::proto::postgres
