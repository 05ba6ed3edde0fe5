#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ctl/client.hh"

namespace perilune::ctl {

// Columns that the text takes on a terminal; what is no control character takes one.
std::size_t width_of(std::string_view text) noexcept;
// At most so many columns; what was cut ends with "…".
std::string cut(std::string_view text, std::size_t columns);
// Without what would move a terminal's cursor or change its colours: names come from anybody.
std::string printable(std::string_view text);

// "12345", "1.2M", "3.4G".
std::string short_count(double n);
// "12s", "3m05s", "2h10m", "4d03h".
std::string short_time(double seconds);

// The member as a person reads it; null and what is missing are "-".
std::string text_of(const Json& json, const char* member);
double number_of(const Json& json, const char* member);

}  // namespace perilune::ctl
