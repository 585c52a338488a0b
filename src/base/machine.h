// What a measurement says about the machine it was made on.
#pragma once

#include <cstdint>
#include <string>

#include "base/thread_pool.h"

namespace nextn {

std::string cpu_name();  // as the system calls it; "unknown CPU"
uint64_t peak_resident_bytes() noexcept;

// Bytes a second that the pool's threads read from memory together: the best of several passes over 512 MiB, more than
// any cache holds. Takes that memory for the time of the call. Throws Error{kSystem} when it is not to be had.
double measure_read_rate(ThreadPool& pool);

}  // namespace nextn
