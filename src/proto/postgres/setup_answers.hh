#pragma once

#include <optional>
#include <string_view>

#include "session/decision.hh"
#include "session/session.hh"

namespace perilune::proto::postgres {

// What clients and drivers send of their own accord around a user's statements (settings,
// transactions, what the server is), as far as it is a matter of the session alone. No value: the
// statement is something else.
std::optional<session::StatementDecision> answer_setup(const session::Session& session,
                                                       std::string_view text);

}  // namespace perilune::proto::postgres
