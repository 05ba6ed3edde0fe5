#pragma once

#include <optional>
#include <string_view>

#include "session/decision.hh"
#include "session/session.hh"

namespace perilune::proto::mysql {

// What a session without a server answers to the statements by which clients set themselves up,
// where its script leaves that open: as a server without any data would. Nothing for all others.
std::optional<session::StatementDecision> answer_setup(const session::Session& session,
                                                       std::string_view sql);

}  // namespace perilune::proto::mysql
