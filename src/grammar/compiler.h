// From the expressions of a GrammarBuilder to an Automaton: each rule's expression becomes an Nfa, that becomes
// deterministic nodes by the subset construction, nodes that are equal become one, and what can never end is cut off.
// Bounded in states and in work, so that no grammar takes long: a second at the very most.
#pragma once

#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "grammar/automaton.h"
#include "grammar/builder.h"
#include "grammar/list_table.h"
#include "grammar/nfa.h"

namespace nextn::grammar {

class Compiler {
 public:
  static constexpr size_t kMaxNfaEdges = 1'000'000;  // of one rule
  static constexpr size_t kMaxNodes = 400'000;
  static constexpr size_t kMaxEdges = 4'000'000;
  static constexpr size_t kMaxWork = 40'000'000;  // states looked at in closures and edges followed

  Compiler(const GrammarBuilder& grammar, RuleId root) : g_(grammar), root_(root) {}

  // Throws as GrammarBuilder::build.
  Automaton run();

 private:
  using Node = GrammarBuilder::Node;
  using Kind = GrammarBuilder::Kind;

  struct Subset;  // what the subset construction of one rule keeps

  const Node& node(Expr e) const { return g_.nodes_[static_cast<size_t>(e)]; }
  void find_reachable();
  void find_nullable();
  bool is_nullable(Expr e) const;
  void find_classes();
  void build_rule(RuleId rule);
  void build(Nfa& nfa, Expr e, int32_t from, int32_t to);
  void build_repeat(Nfa& nfa, const Node& repeat, int32_t from, int32_t to);
  void build_separated(Nfa& nfa, const Node& separated, int32_t from, int32_t to);
  void build_without(Nfa& nfa, const Node& without, int32_t from, int32_t to);
  void close(Subset& subset, std::vector<int32_t>& states);
  int32_t node_of(Subset& subset, std::vector<int32_t>& states);
  void merge_nodes(int32_t first);
  void work(size_t amount);
  void cut_dead_ends();
  void order_rules();
  [[noreturn]] void left_recursion(int32_t rule) const;

  const GrammarBuilder& g_;
  RuleId root_;
  std::vector<RuleId> reachable_;                  // rules, the root first; a compiled rule's number is its place here
  std::vector<int32_t> number_;                    // of each declared rule, -1 if out of reach
  std::vector<uint8_t> nullable_;                  // of each declared rule
  std::vector<uint8_t> expr_empty_;                // of each expression: may be the empty text
  std::vector<std::vector<uint8_t>> set_classes_;  // of each byte set, and of parts of them after these
  size_t work_ = 0;
  Automaton a_;
};

}  // namespace nextn::grammar
