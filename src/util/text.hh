#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace perilune {

// What untrusted text costs at most in a line of a log.
inline constexpr std::size_t kMaxQuotedBytes = 256;

// Appends text that anybody may have sent, so that it can neither end a line nor steer a terminal:
// control characters (C0, DEL, C1, line separators, text direction) and bytes that are not UTF-8
// become \n, \t, \r or \xNN, a backslash \\. At most `max_bytes` of `text` are shown, cut between
// characters; the rest is announced as "...(1234 bytes)" with the whole length.
void append_escaped(std::string& out, std::string_view text,
                    std::size_t max_bytes = kMaxQuotedBytes);

// The same between double quotes, and \" for a quote.
void append_quoted(std::string& out, std::string_view text,
                   std::size_t max_bytes = kMaxQuotedBytes);
std::string quoted(std::string_view text, std::size_t max_bytes = kMaxQuotedBytes);

// How many bytes at the front are printable ASCII, and neither a backslash nor this quote (0:
// none).
std::size_t plain_beginning(std::string_view text, char quote) noexcept;

// RFC 3629; the empty text is.
bool is_utf8(std::string_view text) noexcept;

}  // namespace perilune
