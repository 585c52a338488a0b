// The part of Compiler that makes one of nodes that have the same to say.
#include <algorithm>

#include "grammar/compiler.h"

namespace nextn::grammar {

// Nodes from `first` on are those of the last rule, whose start is the first of them. Depth first, a node after all it
// leads to: equal successors have one number by then, except where a loop comes back to a node that is not done. What
// is merged is always equal; of loops that are equal, both may stay.
void Compiler::merge_nodes(int32_t first) {
  const auto n = static_cast<size_t>(a_.n_nodes() - first);
  ListTable bodies;
  std::vector<int32_t> merged(n, -1);                      // by node, from `first`: which it became
  std::vector<int32_t> body_owner;                         // by body: the node that has it
  std::vector<int32_t> survivors;                          // in the order they were done
  std::vector<std::pair<int32_t, uint32_t>> path{{0, 0}};  // node, next successor
  std::vector<uint8_t> seen(n, 0);
  std::vector<uint64_t> body;
  seen[0] = 1;
  const auto successor = [&](size_t node, uint32_t i) -> int32_t {
    const uint32_t n_edges = a_.edge_begin[node + 1] - a_.edge_begin[node];
    if (i < n_edges) return a_.edges[a_.edge_begin[node] + i].target - first;
    i -= n_edges;
    return i < a_.call_begin[node + 1] - a_.call_begin[node] ? a_.calls[a_.call_begin[node] + i].target - first : -1;
  };
  const auto name = [&](int32_t target) {
    const int32_t m = merged[static_cast<size_t>(target - first)];
    return static_cast<uint64_t>(m < 0 ? target - first : m);
  };
  while (!path.empty()) {
    const auto local = static_cast<size_t>(path.back().first);
    const size_t node = static_cast<size_t>(first) + local;
    const int32_t next = successor(node, path.back().second++);
    if (next >= 0) {
      if (!std::exchange(seen[static_cast<size_t>(next)], 1)) path.emplace_back(next, 0);
      continue;
    }
    body.assign(1, a_.accepts[node]);
    for (uint32_t e = a_.edge_begin[node]; e < a_.edge_begin[node + 1]; e++)
      body.push_back(uint64_t{a_.edges[e].byte_class} << 32 | name(a_.edges[e].target));
    for (uint32_t c = a_.call_begin[node]; c < a_.call_begin[node + 1]; c++)
      body.push_back(static_cast<uint64_t>(a_.calls[c].rule + 256) << 32 | name(a_.calls[c].target));
    const auto id = static_cast<size_t>(bodies.intern(body));
    // The start keeps its place: loops may have named it.
    if (id == body_owner.size()) {
      body_owner.push_back(static_cast<int32_t>(local));
      survivors.push_back(static_cast<int32_t>(local));
    }
    merged[local] = body_owner[id];
    path.pop_back();
  }

  // The start first; a node that a loop named before it was merged is followed to what it became.
  std::ranges::reverse(survivors);
  std::vector<int32_t> place(n, -1);
  const auto start = merged[0];
  std::ranges::iter_swap(survivors.begin(), std::ranges::find(survivors, start));
  for (size_t i = 0; i < survivors.size(); i++) place[static_cast<size_t>(survivors[i])] = static_cast<int32_t>(i);
  const auto target_of = [&](int32_t target) {
    return first + place[static_cast<size_t>(merged[static_cast<size_t>(target - first)])];
  };
  std::vector<Automaton::Edge> edges;
  std::vector<Automaton::Call> calls;
  std::vector<uint8_t> accepts;
  std::vector<uint32_t> edge_begin, call_begin;
  const uint32_t edges_before = a_.edge_begin[static_cast<size_t>(first)];
  const uint32_t calls_before = a_.call_begin[static_cast<size_t>(first)];
  for (int32_t survivor : survivors) {
    const auto node = static_cast<size_t>(first + survivor);
    for (uint32_t e = a_.edge_begin[node]; e < a_.edge_begin[node + 1]; e++)
      edges.push_back({a_.edges[e].byte_class, target_of(a_.edges[e].target)});
    for (uint32_t c = a_.call_begin[node]; c < a_.call_begin[node + 1]; c++)
      calls.push_back({a_.calls[c].rule, target_of(a_.calls[c].target)});
    accepts.push_back(a_.accepts[node]);
    edge_begin.push_back(edges_before + static_cast<uint32_t>(edges.size()));
    call_begin.push_back(calls_before + static_cast<uint32_t>(calls.size()));
  }
  const auto replace = [](auto& all, size_t from, const auto& by) {
    all.resize(from);
    all.insert(all.end(), by.begin(), by.end());
  };
  replace(a_.edges, edges_before, edges);
  replace(a_.calls, calls_before, calls);
  replace(a_.accepts, static_cast<size_t>(first), accepts);
  replace(a_.edge_begin, static_cast<size_t>(first) + 1, edge_begin);
  replace(a_.call_begin, static_cast<size_t>(first) + 1, call_begin);
}

}  // namespace nextn::grammar
