#include "grammar/matcher.h"

#include <algorithm>
#include <bit>
#include <iterator>

#include "base/error.h"

namespace nextn::grammar {

namespace {

constexpr size_t kLeastGraphBytes = size_t{16} << 20;

}  // namespace

Matcher::Matcher(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const TokenTrie> trie)
    : grammar_(std::move(grammar)),
      trie_(std::move(trie)),
      node_masks_(grammar_->node_masks(trie_)),
      graph_(*grammar_),
      history_(kMaxRewind + 1, StateGraph::kDead),
      max_graph_bytes_(kLeastGraphBytes) {
  history_[0] = graph_.initial();
}

bool Matcher::accept(int32_t token) {
  if (token < 0 || token >= trie_->n_vocab() || trie_->bytes(token).empty()) return false;
  int32_t state = this->state();
  for (char byte : trie_->bytes(token)) {
    state = graph_.step(state, static_cast<uint8_t>(byte));
    if (state == StateGraph::kDead) return false;
  }
  n_accepted_++;
  history_[static_cast<size_t>(n_accepted_) % history_.size()] = state;
  keep_small();
  return true;
}

void Matcher::rewind(Checkpoint checkpoint) noexcept {
  NEXTN_CHECK(checkpoint.n_accepted <= n_accepted_ && n_accepted_ - checkpoint.n_accepted <= kMaxRewind);
  n_accepted_ = checkpoint.n_accepted;
}

bool Matcher::mask(std::span<uint32_t> bits) {
  NEXTN_CHECK(bits.size() >= mask_words());
  std::ranges::fill(bits, 0);
  walk_.begin();
  const auto now = graph_.configs(state());
  const std::vector<uint64_t> configs(now.begin(), now.end());  // a copy: the walks add states
  std::vector<int32_t> activations;
  for (auto config = configs.begin(); config != configs.end();) {
    const int32_t node = StateGraph::config(*config).node;
    activations.clear();
    for (; config != configs.end() && StateGraph::config(*config).node == node; ++config)
      activations.push_back(StateGraph::config(*config).activation);
    const std::shared_ptr<const NodeTokens> tokens = node_masks_->tokens_of(node);
    for (size_t i = 0; i < tokens->bits.size(); i++) bits[i] |= tokens->bits[i];
    for (int32_t id : tokens->tokens) bits[static_cast<size_t>(id) / 32] |= 1u << id % 32;
    if (!tokens->exits.empty()) add_after(activations, tokens->exits);
  }
  for (const auto& [first, last] : walk_.tokens()) {
    for (int32_t i = first; i < last; i++) {
      const int32_t id = trie_->by_bytes()[static_cast<size_t>(i)];
      bits[static_cast<size_t>(id) / 32] |= 1u << id % 32;
    }
  }
  const bool ends = may_end();
  keep_small();
  return ends;
}

// The tokens that go on where a rule with one of these activations is through.
void Matcher::add_after(std::span<const int32_t> activations, const std::vector<TrieWalk::Exit>& exits) {
  const int32_t after = graph_.returned(activations);
  if (after == StateGraph::kDead) return;
  for (auto exit = exits.begin(); exit != exits.end();) {
    const uint8_t byte = exit->byte;
    if (graph_.step(after, byte) == StateGraph::kDead) {
      exit = std::ranges::upper_bound(exit, exits.end(), byte, {}, &TrieWalk::Exit::byte);
      continue;
    }
    for (; exit != exits.end() && exit->byte == byte; ++exit)
      walk_.walk(*trie_, graph_, exit->place, trie_->place(exit->place).end, after, nullptr);
  }
}

std::string Matcher::forced() {
  std::string bytes;
  const Automaton& a = grammar_->automaton();
  for (int32_t state = this->state(); bytes.size() < kMaxForced && !graph_.ends(state);) {
    const auto live = graph_.live_classes(state);
    int n_live = 0;
    size_t only = 0;
    for (size_t word = 0; word < live.size(); word++) {
      n_live += std::popcount(live[word]);
      if (live[word] != 0) only = word * 64 + static_cast<size_t>(std::countr_zero(live[word]));
    }
    if (n_live != 1 || !a.class_single[only]) break;
    bytes += static_cast<char>(a.class_first[only]);
    state = graph_.step(state, a.class_first[only]);
    if (state == StateGraph::kDead) break;
  }
  return bytes;
}

bool Matcher::must_begin_with_one_of(std::span<const std::string_view> texts) {
  if (texts.empty()) return false;
  const int32_t state = graph_.step(this->state(), static_cast<uint8_t>(texts[0][0]));
  return state != StateGraph::kDead && leads_to_one_of(texts, state, 1);
}

// After the first bytes of all these texts, which lead to the state.
bool Matcher::leads_to_one_of(std::span<const std::string_view> texts, int32_t state, size_t n_seen) {
  if (std::ranges::any_of(texts, [&](std::string_view text) { return text.size() == n_seen; })) return true;
  if (graph_.ends(state)) return false;
  const Automaton& a = grammar_->automaton();
  const auto live = graph_.live_classes(state);
  for (size_t c = 0; c < a.class_first.size(); c++) {
    if (!(live[c / 64] >> c % 64 & 1)) continue;
    std::vector<std::string_view> same;
    std::ranges::copy_if(texts, std::back_inserter(same),
                         [&](std::string_view text) { return static_cast<uint8_t>(text[n_seen]) == a.class_first[c]; });
    if (same.empty() || !a.class_single[c]) return false;
    const int32_t next = graph_.step(state, a.class_first[c]);
    if (next == StateGraph::kDead || !leads_to_one_of(same, next, n_seen + 1)) return false;
  }
  return true;
}

void Matcher::keep_small() {
  if (graph_.size_bytes() < max_graph_bytes_) return;
  const int64_t n = std::min<int64_t>(n_accepted_ + 1, static_cast<int64_t>(history_.size()));
  std::vector<int32_t> states;
  for (int64_t i = 0; i < n; i++) states.push_back(history_[static_cast<size_t>(n_accepted_ - i) % history_.size()]);
  graph_.keep_only(states);
  walk_.forget();
  // What is needed may itself be large, of a very deep text: then the next time comes later.
  max_graph_bytes_ = std::max(kLeastGraphBytes, 2 * graph_.size_bytes());
  for (int64_t i = 0; i < n; i++)
    history_[static_cast<size_t>(n_accepted_ - i) % history_.size()] = states[static_cast<size_t>(i)];
}

}  // namespace nextn::grammar
