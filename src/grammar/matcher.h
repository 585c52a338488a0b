// What a text may go on with under a grammar: a mask of tokens, told each token as it is accepted. A value: a copy goes
// its own way, and mark and rewind take back what was only a draft.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "grammar/grammar.h"
#include "grammar/node_masks.h"
#include "grammar/state_graph.h"
#include "grammar/token_trie.h"
#include "grammar/trie_walk.h"

namespace nextn::grammar {

// Not for two threads at once; copies and matchers of the same grammar may run side by side. Nothing here throws but
// for lack of memory.
class Matcher {
 public:
  Matcher(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const TokenTrie> trie);

  // Takes a token's bytes. False, and nothing has changed, where the grammar does not take them, or the id has none.
  // Tokens that end a text are not for a matcher.
  bool accept(int32_t token);

  // O(1) checkpoint: rewind(mark()) forgets what was accepted in between, kMaxRewind tokens at most.
  static constexpr int kMaxRewind = 256;
  struct Checkpoint {
    int64_t n_accepted;
  };
  Checkpoint mark() const noexcept { return {n_accepted_}; }
  void rewind(Checkpoint checkpoint) noexcept;

  // Sets bit id % 32 of bits[id / 32] to whether accept(id) would be true, for all ids of the vocabulary; further bits
  // become 0. bits.size() must be at least mask_words(). True if the text may end here, as may_end(). Where no bit is
  // set and it may not end, the vocabulary has no token for what must follow, or the grammar is too ambiguous
  // (StateGraph::kMaxConfigs, TrieWalk::kMaxWork: beyond it tokens are left out that accept would take).
  bool mask(std::span<uint32_t> bits);
  size_t mask_words() const noexcept { return (static_cast<size_t>(trie_->n_vocab()) + 31) / 32; }

  bool may_end() const noexcept { return graph_.ends(state()); }
  // Nothing may follow.
  bool must_end() const noexcept { return may_end() && graph_.configs(state()).empty(); }

  // The bytes that any text must go on with, kMaxForced at most; whole characters or not. Empty where there is a
  // choice, an end being one.
  static constexpr size_t kMaxForced = 256;
  std::string forced();

  // Whether all texts that go on with the first byte of these go on with one of them as a whole. They begin with the
  // same byte, and the grammar takes each of them here.
  bool must_begin_with_one_of(std::span<const std::string_view> texts);

 private:
  bool leads_to_one_of(std::span<const std::string_view> texts, int32_t state, size_t n_seen);
  int32_t state() const noexcept { return history_[static_cast<size_t>(n_accepted_) % history_.size()]; }
  void add_after(std::span<const int32_t> activations, const std::vector<TrieWalk::Exit>& exits);
  void keep_small();

  std::shared_ptr<const Grammar> grammar_;
  std::shared_ptr<const TokenTrie> trie_;
  std::shared_ptr<NodeMasks> node_masks_;
  StateGraph graph_;
  TrieWalk walk_;
  std::vector<int32_t> history_;  // ring of states; the one after n tokens sits at n % size
  int64_t n_accepted_ = 0;
  size_t max_graph_bytes_;  // beyond it, states out of the history's reach are forgotten
};

}  // namespace nextn::grammar
