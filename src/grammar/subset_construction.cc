// The part of Compiler that takes one rule from its expression to nodes.
#include <algorithm>
#include <map>

#include "base/error.h"
#include "grammar/compiler.h"
#include "grammar/forbidden_texts.h"

namespace nextn::grammar {

namespace {

constexpr size_t kMaxRecent = 16;  // sets of states that a node's classes are compared with

}  // namespace

// Nodes are sets of NFA states. Only the states that have an edge to follow, or are the end, count: so a loop comes
// back to the node it started from.
struct Compiler::Subset {
  Nfa nfa;
  ListTable nodes;
  int32_t first = 0;           // the first node's number in the automaton
  std::vector<uint32_t> seen;  // by state: the last closure that came by
  uint32_t closure = 0;
  std::vector<int32_t> stack;
  std::vector<uint64_t> list;
};

void Compiler::build(Nfa& nfa, Expr e, int32_t from, int32_t to) {
  using EdgeKind = Nfa::Edge::Kind;
  if (nfa.n_edges() + static_cast<size_t>(nfa.n_states()) > 2 * kMaxNfaEdges)
    fail(ErrorCode::kRequest, "{}: expected at most {} states in a rule, found more", g_.what_, kMaxNfaEdges);
  const Node& n = node(e);
  const auto child = [this](int32_t i) { return g_.children_[static_cast<size_t>(i)]; };
  switch (n.kind) {
    case Kind::kLiteral: {
      if (n.b == 0) nfa.add(EdgeKind::kEmpty, from, to);
      for (int32_t i = 0; i < n.b; i++) {
        const int32_t next = i + 1 == n.b ? to : nfa.add_state();
        // A literal's byte has a class of its own: the value says which byte.
        nfa.add(EdgeKind::kBytes, from, next,
                -1 - static_cast<int32_t>(static_cast<uint8_t>(g_.text_[static_cast<size_t>(n.a + i)])));
        from = next;
      }
      break;
    }
    case Kind::kBytes:
      nfa.add(EdgeKind::kBytes, from, to, n.a);
      break;
    case Kind::kSequence:
      for (int32_t i = 0; i < n.b; i++) {
        const int32_t next = i + 1 == n.b ? to : nfa.add_state();
        build(nfa, child(n.a + i), from, next);
        from = next;
      }
      break;
    case Kind::kChoice:
      for (int32_t i = 0; i < n.b; i++) build(nfa, child(n.a + i), from, to);
      break;
    case Kind::kRepeat:
      build_repeat(nfa, n, from, to);
      break;
    case Kind::kSeparated:
      build_separated(nfa, n, from, to);
      break;
    case Kind::kWithout:
      build_without(nfa, n, from, to);
      break;
    case Kind::kCall:
      nfa.add(EdgeKind::kCall, from, to, number_[static_cast<size_t>(n.a)]);
      if (nullable_[static_cast<size_t>(n.a)]) nfa.add(EdgeKind::kEmpty, from, to);
      break;
  }
}

void Compiler::build_repeat(Nfa& nfa, const Node& repeat, int32_t from, int32_t to) {
  using EdgeKind = Nfa::Edge::Kind;
  for (int32_t i = 0; i < repeat.b; i++) {
    const int32_t next = nfa.add_state();
    build(nfa, repeat.a, from, next);
    from = next;
  }
  if (repeat.c == kUnbounded) {
    const int32_t loop = nfa.add_state();
    nfa.add(EdgeKind::kEmpty, from, loop);
    build(nfa, repeat.a, loop, loop);
    from = loop;
  } else {
    for (int32_t i = repeat.b; i < repeat.c; i++) {
      const int32_t next = nfa.add_state();
      nfa.add(EdgeKind::kEmpty, from, to);
      build(nfa, repeat.a, from, next);
      from = next;
    }
  }
  nfa.add(EdgeKind::kEmpty, from, to);
}

// Two rows of states, one place between items each: in the upper one nothing is written yet, in the lower one the next
// item needs a separator.
void Compiler::build_separated(Nfa& nfa, const Node& separated, int32_t from, int32_t to) {
  using EdgeKind = Nfa::Edge::Kind;
  int32_t none = from, some = -1;
  bool none_is_possible = true;
  for (int32_t i = 0; i < separated.c; i++) {
    const Expr item = g_.children_[static_cast<size_t>(separated.b + 2 * i)];
    const bool required = g_.children_[static_cast<size_t>(separated.b + 2 * i + 1)] != 0;
    const int32_t next_some = nfa.add_state();
    if (none_is_possible) build(nfa, item, none, next_some);
    if (some >= 0) {
      const int32_t after_separator = nfa.add_state();
      build(nfa, separated.a, some, after_separator);
      build(nfa, item, after_separator, next_some);
      if (!required) nfa.add(EdgeKind::kEmpty, some, next_some);
    }
    if (required) none_is_possible = false;
    some = next_some;
  }
  if (none_is_possible) nfa.add(EdgeKind::kEmpty, none, to);
  if (some >= 0) nfa.add(EdgeKind::kEmpty, some, to);
}

// The product of the expression's automaton and of that of the forbidden texts, as far as it can be reached.
void Compiler::build_without(Nfa& nfa, const Node& without, int32_t from, int32_t to) {
  using EdgeKind = Nfa::Edge::Kind;
  Nfa inner;
  build(inner, without.a, Nfa::kStart, Nfa::kEnd);
  inner.finish();
  std::vector<std::string_view> texts;
  for (int32_t i = 0; i < without.c; i++) {
    const Node& literal = node(g_.children_[static_cast<size_t>(without.b + i)]);
    texts.push_back(std::string_view(g_.text_).substr(static_cast<size_t>(literal.a), static_cast<size_t>(literal.b)));
  }
  const ForbiddenTexts forbidden(texts);

  using Pair = std::pair<int32_t, int32_t>;  // a state of inner, or a set, and a state of forbidden
  std::map<Pair, int32_t> states{{{Nfa::kStart, 0}, from}};
  std::vector<Pair> todo{{Nfa::kStart, 0}};
  const auto state_of = [&](int32_t state, int32_t seen) {
    if (state == Nfa::kEnd) return to;
    const auto [found, is_new] = states.try_emplace({state, seen}, -1);
    if (!is_new) return found->second;
    todo.emplace_back(state, seen);
    return found->second = nfa.add_state();
  };
  std::map<Pair, std::vector<Pair>> parts;  // a set by what its bytes lead to: sets of set_classes_, states
  const auto parts_of = [&](int32_t set, int32_t seen) -> const std::vector<Pair>& {
    const auto [found, is_new] = parts.try_emplace({set, seen});
    if (!is_new) return found->second;
    std::map<int32_t, std::vector<uint8_t>> by_next;
    // A forbidden text's byte has a class of its own, so that a class leads to one state.
    for (const uint8_t c : set_classes_[static_cast<size_t>(set)]) {
      by_next[forbidden.next(seen, a_.class_first[c])].push_back(c);
    }
    by_next.erase(ForbiddenTexts::kFound);
    for (auto& [next, classes] : by_next) {
      found->second.emplace_back(static_cast<int32_t>(set_classes_.size()), next);
      set_classes_.push_back(std::move(classes));
    }
    return found->second;
  };
  while (!todo.empty()) {
    const auto [state, seen] = todo.back();
    todo.pop_back();
    const int32_t here = states.at({state, seen});
    const auto edges = inner.edges(state);
    work(1 + edges.size());
    if (nfa.n_edges() > 2 * kMaxNfaEdges)
      fail(ErrorCode::kRequest, "{}: expected at most {} states in a rule, found more", g_.what_, kMaxNfaEdges);
    for (const Nfa::Edge& edge : edges) {
      NEXTN_CHECK(edge.kind != EdgeKind::kCall);
      if (edge.kind == EdgeKind::kEmpty) {
        nfa.add(EdgeKind::kEmpty, here, state_of(edge.to, seen));
      } else if (edge.value < 0) {
        const int32_t next = forbidden.next(seen, static_cast<uint8_t>(-1 - edge.value));
        if (next != ForbiddenTexts::kFound) nfa.add(EdgeKind::kBytes, here, state_of(edge.to, next), edge.value);
      } else {
        for (const auto& [set, next] : parts_of(edge.value, seen)) {
          nfa.add(EdgeKind::kBytes, here, state_of(edge.to, next), set);
        }
      }
    }
  }
}

// Replaces states by all that empty moves lead to and that count, ascending.
void Compiler::close(Subset& s, std::vector<int32_t>& states) {
  s.closure++;
  s.stack.clear();
  for (int32_t state : states) {
    if (std::exchange(s.seen[static_cast<size_t>(state)], s.closure) != s.closure) s.stack.push_back(state);
  }
  states.clear();
  while (!s.stack.empty()) {
    const int32_t state = s.stack.back();
    s.stack.pop_back();
    bool counts = state == Nfa::kEnd;
    const auto edges = s.nfa.edges(state);
    work(1 + edges.size());
    for (const Nfa::Edge& edge : edges) {
      if (edge.kind != Nfa::Edge::Kind::kEmpty) {
        counts = true;
      } else if (std::exchange(s.seen[static_cast<size_t>(edge.to)], s.closure) != s.closure) {
        s.stack.push_back(edge.to);
      }
    }
    if (counts) states.push_back(state);
  }
  std::ranges::sort(states);
}

int32_t Compiler::node_of(Subset& s, std::vector<int32_t>& states) {
  close(s, states);
  s.list.assign(states.begin(), states.end());
  const int32_t id = s.nodes.intern(s.list);
  if (a_.accepts.size() >= kMaxNodes || a_.edges.size() > kMaxEdges)
    fail(ErrorCode::kRequest, "{}: expected at most {} states, found more", g_.what_, kMaxNodes);
  return s.first + id;
}

void Compiler::build_rule(RuleId rule) {
  Subset s;
  build(s.nfa, g_.rules_[static_cast<size_t>(rule)].body, Nfa::kStart, Nfa::kEnd);
  s.nfa.finish();
  work(s.nfa.n_edges());
  s.first = a_.n_nodes();
  s.seen.assign(static_cast<size_t>(s.nfa.n_states()), 0);
  std::vector<int32_t> states{Nfa::kStart};
  a_.rules.push_back({node_of(s, states), 0});

  std::vector<std::vector<int32_t>> by_class(a_.class_first.size());
  std::vector<uint64_t> node;
  std::vector<std::pair<int32_t, int32_t>> calls;                // rule, state
  std::vector<std::pair<std::vector<int32_t>, int32_t>> recent;  // of this node: states, node they lead to
  for (int32_t id = 0; id < s.nodes.size(); id++) {
    node.assign(s.nodes.list(id).begin(), s.nodes.list(id).end());
    bool accepts = false;
    calls.clear();
    recent.clear();
    for (uint64_t state : node) {
      accepts |= state == Nfa::kEnd;
      for (const Nfa::Edge& edge : s.nfa.edges(static_cast<int32_t>(state))) {
        if (edge.kind == Nfa::Edge::Kind::kCall) calls.emplace_back(edge.value, edge.to);
        if (edge.kind != Nfa::Edge::Kind::kBytes) continue;
        if (edge.value < 0) {
          work(1);
          by_class[a_.class_of[static_cast<size_t>(-1 - edge.value)]].push_back(edge.to);
          continue;
        }
        const auto& classes = set_classes_[static_cast<size_t>(edge.value)];
        work(classes.size());
        for (uint8_t c : classes) by_class[c].push_back(edge.to);
      }
    }
    for (size_t c = 0; c < by_class.size(); c++) {
      if (by_class[c].empty()) continue;
      if (recent.size() > kMaxRecent) recent.clear();
      const auto found = std::ranges::find(recent, by_class[c], &std::pair<std::vector<int32_t>, int32_t>::first);
      int32_t target = 0;
      if (found != recent.end()) {
        target = found->second;
      } else {
        states = by_class[c];
        target = node_of(s, states);
        recent.emplace_back(by_class[c], target);
      }
      by_class[c].clear();
      a_.edges.push_back({static_cast<uint8_t>(c), target});
    }
    std::ranges::sort(calls);
    for (size_t i = 0; i < calls.size();) {
      const int32_t callee = calls[i].first;
      states.clear();
      for (; i < calls.size() && calls[i].first == callee; i++) states.push_back(calls[i].second);
      a_.calls.push_back({callee, node_of(s, states)});
    }
    a_.accepts.push_back(accepts);
    a_.edge_begin.push_back(static_cast<uint32_t>(a_.edges.size()));
    a_.call_begin.push_back(static_cast<uint32_t>(a_.calls.size()));
  }
  merge_nodes(s.first);
}

}  // namespace nextn::grammar
