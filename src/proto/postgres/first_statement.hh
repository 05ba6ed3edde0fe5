#pragma once

#include <optional>
#include <string_view>

#include "util/bytes.hh"

namespace perilune::proto::postgres {

// A statement for those who look on.
struct FirstStatement {
  const char* kind;       // as session::StatementNote has it
  std::string_view text;  // as much as is here; empty for what only names a statement
};

// The first statement in what a client sends, which begins with a message and may end inside one.
std::optional<FirstStatement> first_statement(Bytes messages) noexcept;

}  // namespace perilune::proto::postgres
