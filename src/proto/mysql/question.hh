#pragma once

#include <optional>
#include <string>

#include "proto/mysql/errors.hh"
#include "session/decision.hh"
#include "session/hooks.hh"
#include "util/bytes.hh"
#include "wire/mysql/exchange.hh"

namespace perilune::proto::mysql {

// Which commands are looked at before they pass: those of which one must know what they do, and
// those that the script is asked about. One object for each combination of callbacks.
const wire::mysql::CommandSet& commands_to_look_at(const session::Hooks& hooks);
// …and those that may belong to statements prepared by the proxy, which only on_query answers.
const wire::mysql::CommandSet& commands_with_statements();

// What is to be seen of a command whose first bytes are these (header, command, and what follows of
// its text): all of it, nothing, or at least more of its beginning.
enum class Need : std::uint8_t { Nothing, Beginning, Whole };
Need need_of(const session::Hooks& hooks, Bytes packet);

// Asks the script about a whole command; nothing while its callback waits. Proceed at once where no
// callback is concerned.
std::optional<session::StatementDecision> ask_script(session::Hooks& hooks, Bytes payload);

// The database that a command changes to when it succeeds.
std::optional<std::string> database_of(Bytes payload);

// The id that a command wants to kill.
struct KillRequest {
  std::uint64_t id = 0;
  bool query_only = false;
};
std::optional<KillRequest> kill_of(Bytes payload);

// How a refused command is answered where the script leaves it open.
wire::mysql::Err usual_refusal(Bytes payload);

}  // namespace perilune::proto::mysql
