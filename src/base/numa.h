// The machine's memory nodes and their CPUs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nextn {

struct NumaNode {
  int id;
  std::vector<int> cpus;
};

// The nodes that have CPUs, as /sys/devices/system/node tells; `root` stands before /sys in tests. Empty where the
// system does not tell.
std::vector<NumaNode> numa_nodes(const std::string& root = "");

// How a team of threads uses several memory nodes.
enum class Numa : uint8_t {
  kNone,
  kDistribute,  // threads and weights spread over all nodes
  kIsolate,     // threads on the node that the program was started on
};

// The CPUs of thread i of a team that was started on home_cpu; empty: it may run anywhere.
std::vector<int> cpus_of_thread(Numa numa, const std::vector<NumaNode>& nodes, int home_cpu, int i);

// "0-3,8": 0 1 2 3 8. Stops at what is no such list.
std::vector<int> parse_cpu_list(std::string_view text);

// Lets the calling thread run on these CPUs alone, as far as the system allows.
void pin_to(const std::vector<int>& cpus) noexcept;

}  // namespace nextn
