#pragma once

#include <chrono>

namespace perilune {

using Millis = std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using WallTime = std::chrono::system_clock::time_point;

}  // namespace perilune
