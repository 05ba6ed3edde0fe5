#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "session/decision.hh"
#include "session/hooks.hh"
#include "util/bytes.hh"
#include "wire/postgres/exchange.hh"
#include "wire/postgres/protocol.hh"

namespace perilune::proto::postgres {

// What the script is asked about a client's message, and what its answers mean.

// The messages that may be one of its affairs, and those together with all that name a statement or
// a portal.
const wire::postgres::MessageSet& messages_to_look_at(const session::Hooks& hooks);
const wire::postgres::MessageSet& messages_with_statements();

// The largest body of a message whose text may have `max_query` bytes.
std::size_t largest_body(wire::postgres::FrontendTag tag, std::uint64_t max_query) noexcept;

// Of a whole message that is to be looked at: its text's length. No value: malformed.
std::optional<std::size_t> text_size(wire::postgres::FrontendTag tag, Bytes body) noexcept;

// Asks about it; as Hooks::on_query(). The message must not be malformed.
std::optional<session::StatementDecision> ask_script(session::Hooks& hooks,
                                                     wire::postgres::FrontendTag tag, Bytes body);

// The message with another text in its place.
Buffer with_text(wire::postgres::FrontendTag tag, Bytes body, std::string_view text);

}  // namespace perilune::proto::postgres
