#include "grammar/nfa.h"

namespace nextn::grammar {

void Nfa::finish() {
  begin_.assign(static_cast<size_t>(n_states_) + 1, 0);
  for (const Edge& edge : edges_) begin_[static_cast<size_t>(edge.from) + 1]++;
  for (size_t i = 1; i < begin_.size(); i++) begin_[i] += begin_[i - 1];
  std::vector<size_t> next(begin_.begin(), begin_.end() - 1);
  sorted_.resize(edges_.size());
  for (const Edge& edge : edges_) sorted_[next[static_cast<size_t>(edge.from)]++] = edge;
}

}  // namespace nextn::grammar
