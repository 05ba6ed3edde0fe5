#pragma once

#include <optional>
#include <string>

#include "proto/mysql/errors.hh"
#include "proto/mysql/kill.hh"
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

// The wish of a command to end a session, or a statement, by a number that a session of ours has.
std::optional<KillRequest> kill_of(Bytes payload);
// The same of what the server is to get of it: as it is, or the script's text instead.
std::optional<KillRequest> kill_of(Bytes payload, const session::StatementDecision& decision);
// The same command with another number.
Buffer with_thread(Bytes payload, const KillRequest& request, std::uint32_t thread);

// How a refused command is answered where the script leaves it open.
wire::mysql::Err usual_refusal(Bytes payload);

}  // namespace perilune::proto::mysql
