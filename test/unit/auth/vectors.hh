#pragma once

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string_view>

#include "auth/digests.hh"
#include "auth/random.hh"
#include "support/hex.hh"
#include "util/bytes.hh"

namespace perilune::test {

// "0a2f…" as an array of exactly that many bytes.
template <typename Array>
Array array_of(Bytes bytes) {
  Array array{};
  if (bytes.size() != array.size()) throw std::invalid_argument("wrong number of bytes");
  std::copy(bytes.begin(), bytes.end(), array.begin());
  return array;
}

template <typename Array>
Array array_from_hex(std::string_view hex) {
  return array_of<Array>(from_hex(hex));
}

template <typename Array>
Buffer buffer_of(const Array& array) {
  return Buffer(array.begin(), array.end());
}

}  // namespace perilune::test
