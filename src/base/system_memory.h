// How much memory the machine, and the control groups this process is in, have left.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace nextn {

struct AvailableMemory {
  uint64_t bytes = UINT64_MAX;
  std::string limited_by;  // "the machine" or the control group's file that names the limit
};

// The least of what /proc/meminfo calls available and of what every control group (v1 or v2) leaves of its limit.
// Cached file pages count as available. `root` stands before /proc and /sys in tests. A file that is not there limits
// nothing.
AvailableMemory available_memory(const std::string& root = "");

// "512M", "2.5G", "1073741824": K, M, G and T are powers of 1024. Nothing for what is no size, or none above 0.
std::optional<uint64_t> parse_size(std::string_view text);

}  // namespace nextn
