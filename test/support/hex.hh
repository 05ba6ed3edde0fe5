#pragma once

#include <cstddef>
#include <string_view>

#include "util/bytes.hh"

namespace perilune::test {

// "0a 38 2e" or "0a382e" as bytes; anything but hex digits and white space throws.
Buffer from_hex(std::string_view text);

}  // namespace perilune::test
