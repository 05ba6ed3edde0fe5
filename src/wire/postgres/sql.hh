#pragma once

// As much of PostgreSQL's SQL as a proxy must understand to answer in a server's place ("Lexical
// Structure" in the manual, with standard_conforming_strings as it is by default).

#include <cstdint>
#include <string>
#include <string_view>

namespace perilune::wire::postgres {

// The first word in capitals, behind comments and opening parentheses; empty: there is none.
std::string first_word(std::string_view text);

// The highest n of the parameters $n, which is how many a prepared statement has.
std::uint16_t count_parameters(std::string_view text) noexcept;

// The tag of CommandComplete for a statement of this first word that has changed, or found, so many
// rows.
std::string command_tag(std::string_view first_word, std::uint64_t rows);

}  // namespace perilune::wire::postgres
