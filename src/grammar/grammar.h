// A compiled grammar: immutable, shared by any number of matchers and threads. Made by gbnf.h, json_schema.h and
// regex.h through builder.h.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <utility>

#include "grammar/automaton.h"

namespace nextn::grammar {

class NodeMasks;
class TokenTrie;

class Grammar {
 public:
  // Every node that can be reached can reach the end of its rule; no rule calls itself before a byte.
  explicit Grammar(Automaton automaton);
  ~Grammar();

  const Automaton& automaton() const noexcept { return a_; }

  // The node after a byte of the class, or -1.
  int32_t step(int32_t node, uint8_t byte_class) const noexcept;
  std::span<const Automaton::Edge> edges(int32_t node) const noexcept { return part(a_.edges, a_.edge_begin, node); }
  std::span<const Automaton::Call> calls(int32_t node) const noexcept { return part(a_.calls, a_.call_begin, node); }
  bool accepts(int32_t node) const noexcept { return a_.accepts[static_cast<size_t>(node)] != 0; }
  // Nothing can follow within the rule.
  bool only_ends(int32_t node) const noexcept { return edges(node).empty() && calls(node).empty(); }

  // What is known of this grammar's nodes over a vocabulary, filled as matchers ask; the last vocabulary's is kept.
  std::shared_ptr<NodeMasks> node_masks(const std::shared_ptr<const TokenTrie>& trie) const;

 private:
  template <class T>
  static std::span<const T> part(const std::vector<T>& all, const std::vector<uint32_t>& begin, int32_t node) noexcept {
    const auto i = static_cast<size_t>(node);
    return std::span(all).subspan(begin[i], begin[i + 1] - begin[i]);
  }

  Automaton a_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<NodeMasks> masks_;
};

}  // namespace nextn::grammar
