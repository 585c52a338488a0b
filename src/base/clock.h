// The clock that everything is timed with, and milliseconds of it.
#pragma once

#include <chrono>

namespace nextn {

using Clock = std::chrono::steady_clock;

inline double ms_between(Clock::time_point from, Clock::time_point to) noexcept {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

inline double ms_since(Clock::time_point start) noexcept {
  return ms_between(start, Clock::now());
}

}  // namespace nextn
