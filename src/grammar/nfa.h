// A nondeterministic automaton of one rule, with empty moves: the step between a rule's expression and its nodes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace nextn::grammar {

class Nfa {
 public:
  struct Edge {
    enum class Kind : uint8_t { kEmpty, kBytes, kCall };
    Kind kind;
    int32_t from;
    int32_t value;  // kBytes: the set's number, kCall: the rule
    int32_t to;
  };

  static constexpr int32_t kStart = 0, kEnd = 1;

  int32_t add_state() { return n_states_++; }
  void add(Edge::Kind kind, int32_t from, int32_t to, int32_t value = -1) { edges_.push_back({kind, from, value, to}); }

  // Sorts the edges by state; from then on edges(state) is there.
  void finish();
  std::span<const Edge> edges(int32_t state) const {
    const auto i = static_cast<size_t>(state);
    return std::span(sorted_).subspan(begin_[i], begin_[i + 1] - begin_[i]);
  }

  int32_t n_states() const { return n_states_; }
  size_t n_edges() const { return edges_.size(); }

 private:
  int32_t n_states_ = 2;
  std::vector<Edge> edges_, sorted_;
  std::vector<size_t> begin_;
};

}  // namespace nextn::grammar
