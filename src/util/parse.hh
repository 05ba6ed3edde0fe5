#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

#include "util/clock.hh"
#include "util/failure.hh"
#include "util/result.hh"

namespace perilune {

// Decimal digits and nothing else, at most `max`.
Result<std::uint64_t, Failure> parse_unsigned(
    std::string_view text, std::uint64_t max = std::numeric_limits<std::uint64_t>::max());

// Bytes: "65536", or a whole number of binary units as in "64K", "16M", "4G" (case ignored).
Result<std::uint64_t, Failure> parse_size(std::string_view text);

// Seconds as a plain number ("10", "0.5"), or a number with its unit: "500ms", "10s", "5m", "1h".
Result<Millis, Failure> parse_duration(std::string_view text);

// Seconds as Lua scripts give them; what is not zero becomes at least one millisecond.
Result<Millis, Failure> duration_from_seconds(double seconds);

}  // namespace perilune
