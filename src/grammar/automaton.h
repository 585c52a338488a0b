// What a grammar is compiled to: a deterministic automaton for each rule, over classes of bytes and calls of rules.
// A text is matched by an automaton that runs with a stack of places to return to (state_graph.h).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace nextn::grammar {

struct Automaton {
  struct Edge {
    uint8_t byte_class;
    int32_t target;
  };
  struct Call {
    int32_t rule;
    int32_t target;  // where it goes on when the rule is through
  };
  struct Rule {
    int32_t start;  // node
    int32_t order;  // a rule that can call another before any byte has a lower one
  };

  std::array<uint8_t, 256> class_of{};
  std::vector<uint8_t> class_first;   // its lowest byte
  std::vector<uint8_t> class_single;  // 1: it has that byte alone
  std::vector<uint32_t> edge_begin;   // of each node and the end; a node's edges ascend by class
  std::vector<Edge> edges;
  std::vector<uint32_t> call_begin;  // likewise
  std::vector<Call> calls;
  std::vector<uint8_t> accepts;  // 1: the node's rule may end here
  std::vector<Rule> rules;       // by order
  int32_t root = 0;              // rule

  int32_t n_nodes() const noexcept { return static_cast<int32_t>(accepts.size()); }
  int32_t n_classes() const noexcept { return static_cast<int32_t>(class_first.size()); }
};

}  // namespace nextn::grammar
