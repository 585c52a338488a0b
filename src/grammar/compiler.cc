#include "grammar/compiler.h"

#include <algorithm>

#include "base/error.h"

namespace nextn::grammar {

void Compiler::work(size_t amount) {
  work_ += amount;
  if (work_ > kMaxWork) fail(ErrorCode::kRequest, "{}: expected a simpler grammar, this one takes too long", g_.what_);
}

Automaton Compiler::run() {
  find_reachable();
  find_nullable();
  find_classes();
  a_.edge_begin.push_back(0);
  a_.call_begin.push_back(0);
  for (RuleId rule : reachable_) build_rule(rule);
  cut_dead_ends();
  order_rules();
  return std::move(a_);
}

// Rules that the root never calls are not compiled.
void Compiler::find_reachable() {
  number_.assign(g_.rules_.size(), -1);
  std::vector<uint8_t> seen(g_.nodes_.size(), 0);
  std::vector<Expr> todo;
  const auto reach = [&](RuleId rule) {
    if (number_[static_cast<size_t>(rule)] >= 0) return;
    NEXTN_CHECK(g_.rules_[static_cast<size_t>(rule)].body >= 0);
    number_[static_cast<size_t>(rule)] = static_cast<int32_t>(reachable_.size());
    reachable_.push_back(rule);
    todo.push_back(g_.rules_[static_cast<size_t>(rule)].body);
  };
  reach(root_);
  while (!todo.empty()) {
    const Expr e = todo.back();
    todo.pop_back();
    if (std::exchange(seen[static_cast<size_t>(e)], 1)) continue;
    const Node& n = node(e);
    const auto children = [&](int32_t first, int32_t count, int stride) {
      for (int32_t i = 0; i < count; i++) todo.push_back(g_.children_[static_cast<size_t>(first + i * stride)]);
    };
    switch (n.kind) {
      case Kind::kLiteral:
      case Kind::kBytes:
        break;
      case Kind::kSequence:
      case Kind::kChoice:
        children(n.a, n.b, 1);
        break;
      case Kind::kRepeat:
      case Kind::kWithout:
        todo.push_back(n.a);
        break;
      case Kind::kSeparated:
        todo.push_back(n.a);
        children(n.b, n.c, 2);
        break;
      case Kind::kCall:
        reach(n.a);
        break;
    }
  }
}

bool Compiler::is_nullable(Expr e) const {
  const Node& n = node(e);
  const auto empty = [this](Expr x) { return expr_empty_[static_cast<size_t>(x)] != 0; };
  const auto child = [this](int32_t i) { return g_.children_[static_cast<size_t>(i)]; };
  switch (n.kind) {
    case Kind::kLiteral:
      return n.b == 0;
    case Kind::kBytes:
      return false;
    case Kind::kSequence:
      for (int32_t i = 0; i < n.b; i++)
        if (!empty(child(n.a + i))) return false;
      return true;
    case Kind::kChoice:
      for (int32_t i = 0; i < n.b; i++)
        if (empty(child(n.a + i))) return true;
      return false;
    case Kind::kRepeat:
      return n.b == 0 || empty(n.a);
    case Kind::kWithout:
      return empty(n.a);
    case Kind::kSeparated: {
      int n_full = 0;  // items that must be there and are no empty text
      for (int32_t i = 0; i < n.c; i++) {
        const bool required = child(n.b + 2 * i + 1) != 0;
        if (required && !empty(child(n.b + 2 * i))) return false;
        n_full += required;
      }
      return n_full < 2 || empty(n.a);
    }
    case Kind::kCall:
      return nullable_[static_cast<size_t>(n.a)] != 0;
  }
  return false;
}

// To the fixed point: expressions have their children before them, so one pass is exact but for calls of rules that
// turn out nullable later. Those are few; each further pass has found at least one.
void Compiler::find_nullable() {
  nullable_.assign(g_.rules_.size(), 0);
  expr_empty_.assign(g_.nodes_.size(), 0);
  for (bool changed = true; changed;) {
    work(g_.nodes_.size() / 8);
    changed = false;
    for (size_t e = 0; e < g_.nodes_.size(); e++) expr_empty_[e] = is_nullable(static_cast<Expr>(e));
    for (RuleId rule : reachable_) {
      const auto i = static_cast<size_t>(rule);
      if (nullable_[i] || !expr_empty_[static_cast<size_t>(g_.rules_[i].body)]) continue;
      nullable_[i] = 1;
      changed = true;
    }
  }
}

// Bytes that no byte set or literal tells apart share a class.
void Compiler::find_classes() {
  ByteSet in_literal;
  for (char c : g_.text_) in_literal.add(static_cast<uint8_t>(c));
  std::array<int, 256> label{};
  int n_labels = 1;
  const auto split = [&](auto&& contains) {
    std::array<int, 512> renamed;
    renamed.fill(-1);
    int n = 0;
    for (size_t byte = 0; byte < 256; byte++) {
      int& name = renamed[static_cast<size_t>(label[byte]) * 2 + contains(static_cast<uint8_t>(byte))];
      if (name < 0) name = n++;
      label[byte] = name;
    }
    n_labels = n;
  };
  for (const ByteSet& set : g_.sets_) {
    if (n_labels == 256) break;
    split([&](uint8_t byte) { return set.contains(byte); });
  }
  for (int byte = 0; byte < 256 && n_labels < 256; byte++) {
    if (in_literal.contains(static_cast<uint8_t>(byte))) split([&](uint8_t other) { return other == byte; });
  }
  a_.class_first.resize(static_cast<size_t>(n_labels));
  a_.class_single.assign(static_cast<size_t>(n_labels), 0);
  std::vector<int> sizes(static_cast<size_t>(n_labels), 0);
  for (int byte = 255; byte >= 0; byte--) {
    const auto c = static_cast<size_t>(label[static_cast<size_t>(byte)]);
    a_.class_of[static_cast<size_t>(byte)] = static_cast<uint8_t>(c);
    a_.class_first[c] = static_cast<uint8_t>(byte);
    a_.class_single[c] = ++sizes[c] == 1;
  }
  set_classes_.resize(g_.sets_.size());
  for (size_t i = 0; i < g_.sets_.size(); i++) {
    for (size_t c = 0; c < a_.class_first.size(); c++)
      if (g_.sets_[i].contains(a_.class_first[c])) set_classes_[i].push_back(static_cast<uint8_t>(c));
  }
}

// Cuts the edges and calls after which a rule can never end, so that whatever a matcher offers can be finished.
void Compiler::cut_dead_ends() {
  const auto n = static_cast<size_t>(a_.n_nodes());
  // Whom a node's or a rule's coming alive concerns, by node. A call waits for its target and for its rule's start.
  std::vector<std::vector<int32_t>> waiting(n);
  std::vector<std::pair<int32_t, Automaton::Call>> call_of;
  std::vector<std::vector<int32_t>> waiting_calls(n);
  std::vector<uint8_t> alive(n, 0);
  std::vector<int32_t> todo;
  for (size_t i = 0; i < n; i++) {
    for (uint32_t e = a_.edge_begin[i]; e < a_.edge_begin[i + 1]; e++)
      waiting[static_cast<size_t>(a_.edges[e].target)].push_back(static_cast<int32_t>(i));
    for (uint32_t c = a_.call_begin[i]; c < a_.call_begin[i + 1]; c++) {
      const auto id = static_cast<int32_t>(call_of.size());
      call_of.emplace_back(static_cast<int32_t>(i), a_.calls[c]);
      waiting_calls[static_cast<size_t>(a_.calls[c].target)].push_back(id);
      waiting_calls[static_cast<size_t>(a_.rules[static_cast<size_t>(a_.calls[c].rule)].start)].push_back(id);
    }
    if (a_.accepts[i]) todo.push_back(static_cast<int32_t>(i));
  }
  const auto call_is_alive = [&](const Automaton::Call& call) {
    return alive[static_cast<size_t>(call.target)] &&
           alive[static_cast<size_t>(a_.rules[static_cast<size_t>(call.rule)].start)];
  };
  while (!todo.empty()) {
    const auto i = static_cast<size_t>(todo.back());
    todo.pop_back();
    if (std::exchange(alive[i], 1)) continue;
    todo.insert(todo.end(), waiting[i].begin(), waiting[i].end());
    for (int32_t id : waiting_calls[i]) {
      const auto& [from, call] = call_of[static_cast<size_t>(id)];
      if (call_is_alive(call)) todo.push_back(from);
    }
  }
  if (!alive[static_cast<size_t>(a_.rules[0].start)])
    fail(ErrorCode::kRequest, "{}: expected a grammar that some text matches, found one that none does", g_.what_);

  size_t edge = 0, call = 0;
  for (size_t i = 0; i < n; i++) {
    const uint32_t first_edge = a_.edge_begin[i], first_call = a_.call_begin[i];
    a_.edge_begin[i] = static_cast<uint32_t>(edge);
    a_.call_begin[i] = static_cast<uint32_t>(call);
    for (uint32_t e = first_edge; e < a_.edge_begin[i + 1]; e++)
      if (alive[static_cast<size_t>(a_.edges[e].target)]) a_.edges[edge++] = a_.edges[e];
    for (uint32_t c = first_call; c < a_.call_begin[i + 1]; c++)
      if (call_is_alive(a_.calls[c])) a_.calls[call++] = a_.calls[c];
  }
  a_.edge_begin[n] = static_cast<uint32_t>(edge);
  a_.call_begin[n] = static_cast<uint32_t>(call);
  a_.edges.resize(edge);
  a_.calls.resize(call);
}

void Compiler::left_recursion(int32_t rule) const {
  fail(ErrorCode::kRequest, "{}: expected no left recursion, found that {} can begin with itself", g_.what_,
       g_.rules_[static_cast<size_t>(reachable_[static_cast<size_t>(rule)])].name);
}

// A start node has the calls that can come before any byte (calls that may be empty are passed over in build). Depth
// first, the rules in the order in which they are left for the last time, reversed.
void Compiler::order_rules() {
  enum : uint8_t { kNew, kOpen, kDone };
  std::vector<uint8_t> state(a_.rules.size(), kNew);
  std::vector<std::pair<int32_t, uint32_t>> path;  // rule, its next call
  auto order = static_cast<int32_t>(a_.rules.size());
  for (size_t first = 0; first < a_.rules.size(); first++) {
    if (state[first] != kNew) continue;
    state[first] = kOpen;
    path.emplace_back(static_cast<int32_t>(first), 0);
    while (!path.empty()) {
      auto& [rule, next] = path.back();
      const auto start = static_cast<size_t>(a_.rules[static_cast<size_t>(rule)].start);
      const uint32_t at = a_.call_begin[start] + next++;
      if (at >= a_.call_begin[start + 1]) {
        state[static_cast<size_t>(rule)] = kDone;
        a_.rules[static_cast<size_t>(rule)].order = --order;
        path.pop_back();
        continue;
      }
      const int32_t callee = a_.calls[at].rule;
      if (state[static_cast<size_t>(callee)] == kOpen) left_recursion(callee);
      if (state[static_cast<size_t>(callee)] != kNew) continue;
      state[static_cast<size_t>(callee)] = kOpen;
      path.emplace_back(callee, 0);
    }
  }
  // Numbered by order, so that a number says it all.
  std::vector<Automaton::Rule> sorted(a_.rules.size());
  for (const Automaton::Rule& rule : a_.rules) sorted[static_cast<size_t>(rule.order)] = rule;
  a_.root = a_.rules[0].order;
  for (Automaton::Call& call : a_.calls) call.rule = a_.rules[static_cast<size_t>(call.rule)].order;
  a_.rules = std::move(sorted);
}

}  // namespace nextn::grammar
