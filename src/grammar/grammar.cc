#include "grammar/grammar.h"

#include <algorithm>

#include "grammar/node_masks.h"

namespace nextn::grammar {

Grammar::Grammar(Automaton automaton) : a_(std::move(automaton)) {}

Grammar::~Grammar() = default;

int32_t Grammar::step(int32_t node, uint8_t byte_class) const noexcept {
  const auto edges = this->edges(node);
  const auto found = std::ranges::lower_bound(edges, byte_class, {}, &Automaton::Edge::byte_class);
  return found != edges.end() && found->byte_class == byte_class ? found->target : -1;
}

std::shared_ptr<NodeMasks> Grammar::node_masks(const std::shared_ptr<const TokenTrie>& trie) const {
  const std::lock_guard lock(mutex_);
  if (masks_ == nullptr || masks_->trie() != trie) masks_ = std::make_shared<NodeMasks>(*this, trie);
  return masks_;
}

}  // namespace nextn::grammar
