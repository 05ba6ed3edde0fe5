#pragma once

// Recorded sessions of test/data/postgres_sessions; README.md in test/data describes the format.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "util/bytes.hh"
#include "wire/postgres/protocol.hh"

namespace perilune::test::postgres {

// What one side sent, or what a client knew to be so at that moment.
struct RecordedStep {
  enum class Kind { Client, Server, Idle, Goodbye };

  Kind kind = Kind::Client;
  Buffer bytes;
  wire::postgres::TransactionStatus status{};  // when idle
};

struct RecordedSession {
  std::string name;
  std::vector<RecordedStep> login;
  std::vector<RecordedStep> commands;
};

// Sorted by name. Throws if one is not as it should be.
std::vector<RecordedSession> recorded_sessions();
RecordedSession recorded_session(std::string_view name);

// The bodies of all messages with this tag that one side sent in the login. The client's first
// packets have no tag.
std::vector<Buffer> login_bodies(const RecordedSession& session, RecordedStep::Kind kind, char tag);

}  // namespace perilune::test::postgres
