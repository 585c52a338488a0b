#include "grammar/node_masks.h"

#include <algorithm>

namespace nextn::grammar {

namespace {

constexpr size_t kMaxGraphBytes = size_t{32} << 20;  // before it is begun anew

}  // namespace

NodeMasks::NodeMasks(const Grammar& grammar, std::shared_ptr<const TokenTrie> trie)
    : trie_(std::move(trie)), all_((static_cast<size_t>(trie_->n_vocab()) + 31) / 32, 0), graph_(grammar) {
  for (int32_t id : trie_->by_bytes()) all_[static_cast<size_t>(id) / 32] |= 1u << id % 32;
}

std::shared_ptr<const NodeTokens> NodeMasks::tokens_of(int32_t node) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<const NodeTokens>& known = by_node_[node];
  if (known != nullptr) return known;
  std::shared_ptr<const NodeTokens> tokens = known = compute(node);
  n_bytes_ += tokens->size_bytes();
  if (n_bytes_ > kMaxBytes) {
    by_node_.clear();
    n_bytes_ = 0;
  }
  if (graph_.size_bytes() > kMaxGraphBytes) {
    graph_.keep_only({});
    walk_.forget();
  }
  return tokens;
}

std::shared_ptr<const NodeTokens> NodeMasks::compute(int32_t node) {
  auto result = std::make_shared<NodeTokens>();
  walk_.begin();
  walk_.walk(*trie_, graph_, 1, trie_->n_places(), graph_.alone(node), &result->exits);
  std::ranges::sort(result->exits);

  const std::vector<int32_t>& ids = trie_->by_bytes();
  int32_t n_tokens = 0;
  for (const auto& [first, last] : walk_.tokens()) n_tokens += last - first;
  const auto each = [&](int32_t first, int32_t last, auto&& take) {
    for (int32_t i = first; i < last; i++) take(ids[static_cast<size_t>(i)]);
  };
  if (static_cast<size_t>(n_tokens) < all_.size()) {
    for (const auto& [first, last] : walk_.tokens())
      each(first, last, [&](int32_t id) { result->tokens.push_back(id); });
    return result;
  }
  // The tokens or the gaps between them, whichever are fewer.
  if (n_tokens < trie_->n_vocab() / 2) {
    result->bits.assign(all_.size(), 0);
    for (const auto& [first, last] : walk_.tokens())
      each(first, last, [&](int32_t id) { result->bits[static_cast<size_t>(id) / 32] |= 1u << id % 32; });
  } else {
    result->bits = all_;
    const auto take_out = [&](int32_t id) { result->bits[static_cast<size_t>(id) / 32] &= ~(1u << id % 32); };
    int32_t next = 0;
    for (const auto& [first, last] : walk_.tokens()) {
      each(next, first, take_out);
      next = last;
    }
    each(next, static_cast<int32_t>(ids.size()), take_out);
  }
  return result;
}

}  // namespace nextn::grammar
