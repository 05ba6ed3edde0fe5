#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "util/bytes.hh"

namespace perilune::auth {

// RFC 4648, 4, with padding.
std::string encode_base64(Bytes bytes);

// Null: anything else than that, or more than `max_size` bytes.
std::optional<Buffer> decode_base64(std::string_view text, std::size_t max_size);

}  // namespace perilune::auth
