#include "base/numa.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <fstream>

namespace nextn {

namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace

std::vector<int> parse_cpu_list(std::string_view text) {
  constexpr int kMaxCpus = 1 << 16;
  std::vector<int> cpus;
  const char *at = text.data(), *const end = text.data() + text.size();
  const auto number = [&](int& value) {
    const auto [next, error] = std::from_chars(at, end, value);
    at = next;
    return error == std::errc() && value >= 0 && value < kMaxCpus;
  };
  while (at != end) {
    int first, last;
    if (!number(first)) break;
    last = first;
    if (at != end && *at == '-' && (++at, !number(last))) break;
    for (int cpu = first; cpu <= last; cpu++) cpus.push_back(cpu);
    if (at == end || *at != ',') break;
    at++;
  }
  return cpus;
}

std::vector<NumaNode> numa_nodes(const std::string& root) {
  const std::string folder = root + "/sys/devices/system/node/";
  std::vector<NumaNode> nodes;
  for (const int id : parse_cpu_list(first_line(folder + "online"))) {
    NumaNode node = {id, parse_cpu_list(first_line(folder + "node" + std::to_string(id) + "/cpulist"))};
    if (!node.cpus.empty()) nodes.push_back(std::move(node));
  }
  return nodes;
}

std::vector<int> cpus_of_thread(Numa numa, const std::vector<NumaNode>& nodes, int home_cpu, int i) {
  if (numa == Numa::kDistribute && !nodes.empty()) return nodes[static_cast<size_t>(i) % nodes.size()].cpus;
  for (const NumaNode& node : nodes) {
    if (numa == Numa::kIsolate && std::ranges::count(node.cpus, home_cpu) > 0) return node.cpus;
  }
  return {};
}

void pin_to(const std::vector<int>& cpus) noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) {
    if (cpu < CPU_SETSIZE) CPU_SET(cpu, &set);
  }
  sched_setaffinity(0, sizeof set, &set);
}

}  // namespace nextn
