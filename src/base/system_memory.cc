#include "base/system_memory.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <vector>

namespace nextn {

namespace {

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

std::optional<uint64_t> leading_number(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return std::nullopt;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data() + first, text.data() + text.size(), value);
  return error == std::errc() ? std::optional(value) : std::nullopt;  // "max" is no limit
}

// The number behind `name` in lines of "name number".
std::optional<uint64_t> field(std::string_view text, std::string_view name) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (line.starts_with(name)) return leading_number(line.substr(name.size()));
    at = end + 1;
  }
  return std::nullopt;
}

// The file names of one version of the control groups.
struct Group {
  const char *limit, *usage, *inactive, *active;
};
constexpr Group kV1 = {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ", "total_active_file "};
constexpr Group kV2 = {"memory.max", "memory.current", "inactive_file ", "active_file "};

void limit_by_group(AvailableMemory& memory, const std::string& folder, const Group& names) {
  const auto limit = leading_number(read_text(folder + "/" + names.limit));
  const auto usage = leading_number(read_text(folder + "/" + names.usage));
  if (!limit || !usage) return;
  const std::string stat = read_text(folder + "/memory.stat");
  const uint64_t cached = field(stat, names.inactive).value_or(0) + field(stat, names.active).value_or(0);
  const uint64_t used = *usage - std::min(*usage, cached);
  const uint64_t left = *limit - std::min(*limit, used);
  if (left < memory.bytes) memory = {left, folder + "/" + names.limit};
}

// A group's parents limit it too. Inside a container the path may be that outside of it: then only the mount's own
// folder is there.
void limit_by_groups(AvailableMemory& memory, const std::string& mount, std::string path, const Group& names) {
  for (;;) {
    limit_by_group(memory, mount + path, names);
    if (path.empty()) return;
    path.resize(path.find_last_of('/'));
  }
}

}  // namespace

AvailableMemory available_memory(const std::string& root) {
  AvailableMemory memory;
  if (const auto kib = field(read_text(root + "/proc/meminfo"), "MemAvailable:")) {
    memory = {*kib * 1024, "the machine"};
  }
  std::istringstream groups(read_text(root + "/proc/self/cgroup"));
  for (std::string line; std::getline(groups, line);) {
    // "hierarchy:controllers:/path"
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = fmt::format(",{},", line.substr(first + 1, second - first - 1));
    std::string path = line.substr(second + 1);
    if (path == "/" || !path.starts_with('/')) path.clear();
    const std::string mount = root + "/sys/fs/cgroup";
    if (controllers == ",,") limit_by_groups(memory, mount, path, kV2);
    if (controllers.find(",memory,") != std::string::npos) limit_by_groups(memory, mount + "/memory", path, kV1);
  }
  return memory;
}

std::optional<uint64_t> parse_size(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc()) return std::nullopt;
  std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  for (const std::string_view ending : {"iB", "B"}) {
    if (unit.size() > ending.size() && unit.ends_with(ending)) unit.remove_suffix(ending.size());
  }
  constexpr std::string_view kUnits = "KMGT";
  if (!unit.empty()) {
    const size_t power = unit.size() == 1 ? kUnits.find(static_cast<char>(unit[0] & ~0x20)) : std::string_view::npos;
    if (power == std::string_view::npos) return std::nullopt;
    for (size_t i = 0; i <= power; i++) value *= 1024;
  }
  if (!(value >= 1) || value >= 0x1p62) return std::nullopt;
  return static_cast<uint64_t>(value);
}

}  // namespace nextn
