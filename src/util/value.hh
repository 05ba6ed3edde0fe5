#pragma once

#include <cstdint>
#include <string>
#include <variant>

namespace perilune {

// What a script puts in a row, or a session answers itself; monostate is NULL. Texts are bytes.
using Value = std::variant<std::monostate, bool, std::int64_t, double, std::string>;

// What a client binds to a parameter; monostate is NULL. Dates and times are texts. Texts are bytes.
using BoundValue =
    std::variant<std::monostate, std::int64_t, std::uint64_t, double, std::string>;

}  // namespace perilune
