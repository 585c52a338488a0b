#include "grammar/state_graph.h"

#include <algorithm>
#include <functional>

namespace nextn::grammar {

namespace {

constexpr size_t kFew = 16;  // configurations that are compared one by one

size_t slot_of(uint64_t item, size_t mask) {
  item *= 0xD6E8FEB86659FD93u;
  return (item ^ item >> 32) & mask;
}

}  // namespace

StateGraph::StateGraph(const Grammar& grammar)
    : grammar_(&grammar),
      class_of_(grammar.automaton().class_of.data()),
      n_classes_(static_cast<size_t>(grammar.automaton().n_classes())) {
  activations_.intern(std::span(&kEnd, 1));
}

int32_t StateGraph::initial() {
  begin();
  const Automaton& a = grammar_->automaton();
  const int32_t start = a.rules[static_cast<size_t>(a.root)].start;
  add(start, kOutermost);
  return close();
}

int32_t StateGraph::alone(int32_t node) {
  std::vector<uint64_t> list{pack(node, kOutermost)};
  return intern_state(list, false);
}

int32_t StateGraph::returned(std::span<const int32_t> activations) {
  const auto i = static_cast<size_t>(activations.front());
  if (i >= returned_.size()) returned_.resize(i + 1, kUnknown);
  if (activations.size() == 1 && returned_[i] != kUnknown) return returned_[i];
  begin();
  for (int32_t activation : activations) return_to(activations_.list(activation));
  const int32_t state = close();
  if (activations.size() == 1) returned_[i] = state;
  return state;
}

int32_t StateGraph::compute_step(int32_t state, uint8_t byte_class) {
  begin();
  for (uint64_t packed : configs(state)) {
    const auto [node, activation] = config(packed);
    const int32_t next = grammar_->step(node, byte_class);
    if (next >= 0) add(next, activation);
  }
  const int32_t next = close();
  int32_t& row = row_of_[static_cast<size_t>(state)];
  if (row < 0) {
    row = static_cast<int32_t>(rows_.size() / n_classes_);
    rows_.resize(rows_.size() + n_classes_, kUnknown);
  }
  return rows_[static_cast<size_t>(row) * n_classes_ + byte_class] = next;
}

void StateGraph::begin() {
  items_.clear();
  seen_.clear();
  pending_.clear();
  may_end_ = false;
}

void StateGraph::add(int32_t node, int32_t activation) {
  const uint64_t item = pack(node, activation);
  if (items_.size() < kFew) {
    if (std::ranges::find(items_, item) == items_.end()) items_.push_back(item);
    return;
  }
  if (items_.size() > kMaxConfigs) return;
  const auto insert = [this](uint64_t x) {
    const size_t mask = seen_.size() - 1;
    size_t slot = slot_of(x, mask);
    for (; seen_[slot] != kEnd; slot = (slot + 1) & mask) {
      if (seen_[slot] == x) return false;
    }
    seen_[slot] = x;
    return true;
  };
  if (seen_.size() < items_.size() * 2) {
    seen_.assign(std::max<size_t>(64, seen_.size() * 4), kEnd);
    for (uint64_t x : items_) insert(x);
  }
  if (insert(item)) items_.push_back(item);
}

void StateGraph::return_to(std::span<const uint64_t> places) {
  for (uint64_t place : places) {
    if (place == kEnd) {
      may_end_ = true;
    } else {
      add(config(place).node, config(place).activation);
    }
  }
}

// A call that is the last thing its rule does returns to where the rule itself would, so that right recursion needs no
// stack.
void StateGraph::call_from(int32_t node, int32_t activation) {
  const auto push = [this](int32_t rule, uint64_t place) {
    pending_.emplace_back(rule, place);
    std::ranges::push_heap(pending_, std::greater());
  };
  for (const Automaton::Call& call : grammar_->calls(node)) {
    if (!grammar_->only_ends(call.target)) {
      push(call.rule, pack(call.target, activation));
    } else {
      for (uint64_t place : activations_.list(activation)) push(call.rule, place);
    }
  }
}

// From the nodes in items_: returns from rules that may be through, to their end; then calls, by rising order of the
// rules, so that all who call a rule are known when its activation is made. A rule that a call finds complete needs no
// return: the caller's node has what follows it already.
int32_t StateGraph::close() {
  size_t n_places = 0;
  for (size_t i = 0; i < items_.size(); i++) {
    const auto [node, activation] = config(items_[i]);
    if (!grammar_->accepts(node)) continue;
    const auto places = activations_.list(activation);
    n_places += places.size();
    if (n_places > 16 * kMaxConfigs) return kDead;
    return_to(places);
  }
  for (const uint64_t item : std::vector(items_)) call_from(config(item).node, config(item).activation);
  while (!pending_.empty()) {
    if (pending_.size() > 16 * kMaxConfigs || items_.size() > kMaxConfigs) return kDead;
    const int32_t rule = pending_.front().first;
    places_.clear();
    while (!pending_.empty() && pending_.front().first == rule) {
      places_.push_back(pending_.front().second);
      std::ranges::pop_heap(pending_, std::greater());
      pending_.pop_back();
    }
    places_.erase(std::unique(places_.begin(), places_.end()), places_.end());  // they come in order
    const int32_t activation = activations_.intern(places_);
    const int32_t start = grammar_->automaton().rules[static_cast<size_t>(rule)].start;
    add(start, activation);
    call_from(start, activation);
  }
  if (items_.size() > kMaxConfigs) return kDead;
  std::erase_if(items_, [this](uint64_t item) { return grammar_->edges(config(item).node).empty(); });
  if (items_.empty() && !may_end_) return kDead;
  std::ranges::sort(items_);
  return intern_state(items_, may_end_);
}

int32_t StateGraph::intern_state(std::vector<uint64_t>& list, bool ends) {
  size_t weight = list.size();
  for (uint64_t packed : list) weight += activations_.list(config(packed).activation).size();
  if (ends) list.push_back(kEnd);
  const int32_t n_before = states_.size();
  const int32_t id = states_.intern(list);
  if (id == n_before) {
    ends_.push_back(ends);
    weights_.push_back(static_cast<int32_t>(std::min<size_t>(weight, INT32_MAX)));
    row_of_.push_back(-1);
  }
  return id;
}

std::array<uint64_t, 4> StateGraph::live_classes(int32_t state) const {
  std::array<uint64_t, 4> live{};
  for (uint64_t packed : configs(state)) {
    for (const Automaton::Edge& edge : grammar_->edges(config(packed).node))
      live[edge.byte_class / 64] |= uint64_t{1} << edge.byte_class % 64;
  }
  return live;
}

size_t StateGraph::size_bytes() const noexcept {
  return activations_.size_bytes() + states_.size_bytes() + rows_.size() * sizeof(int32_t) +
         returned_.size() * sizeof(int32_t);
}

void StateGraph::keep_only(std::span<int32_t> states) {
  const ListTable old_activations = std::exchange(activations_, {}), old_states = std::exchange(states_, {});
  const std::vector<uint8_t> old_ends = std::exchange(ends_, {});
  weights_.clear();
  row_of_.clear();
  rows_.clear();
  returned_.clear();

  std::vector<uint8_t> needed(static_cast<size_t>(old_activations.size()), 0);
  const auto need = [&](std::span<const uint64_t> list) {
    for (uint64_t packed : list)
      if (packed != kEnd) needed[static_cast<size_t>(config(packed).activation)] = 1;
  };
  for (int32_t state : states) need(old_states.list(state));
  // An activation is made after those it names.
  for (int32_t id = old_activations.size() - 1; id >= 0; id--)
    if (needed[static_cast<size_t>(id)]) need(old_activations.list(id));

  std::vector<int32_t> renamed(needed.size(), -1);
  std::vector<uint64_t> list;
  const auto rename = [&](std::span<const uint64_t> old) {  // they stay in order: new numbers rise with the old ones
    list.clear();
    for (uint64_t packed : old) {
      const auto [node, activation] = config(packed);
      list.push_back(packed == kEnd ? kEnd : pack(node, renamed[static_cast<size_t>(activation)]));
    }
  };
  renamed[kOutermost] = activations_.intern(std::span(&kEnd, 1));
  for (int32_t id = 1; id < old_activations.size(); id++) {
    if (!needed[static_cast<size_t>(id)]) continue;
    rename(old_activations.list(id));
    renamed[static_cast<size_t>(id)] = activations_.intern(list);
  }
  for (int32_t& state : states) {
    rename(old_states.list(state));
    const bool ends = old_ends[static_cast<size_t>(state)] != 0;
    if (ends) list.pop_back();
    state = intern_state(list, ends);
  }
}

}  // namespace nextn::grammar
