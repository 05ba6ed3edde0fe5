#pragma once

#include <cstdlib>

namespace perilune {

// assert() that is there in every build: a fuzzer must see a broken promise.
inline void expect(bool promise) {
  if (!promise) std::abort();
}

}  // namespace perilune
