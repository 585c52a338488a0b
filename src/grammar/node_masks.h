// For a node of a grammar, the tokens that it takes whoever called its rule, and the places in the tree of tokens where
// the rule is through and the caller decides. Inside of a JSON string these are nearly all tokens, and the few that
// have the closing quote: so a mask is a copy, and a little walk for the exits.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "grammar/state_graph.h"
#include "grammar/token_trie.h"
#include "grammar/trie_walk.h"

namespace nextn::grammar {

struct NodeTokens {
  std::vector<uint32_t> bits;         // a bit per token id; empty where `tokens` is shorter
  std::vector<int32_t> tokens;        // or the ids
  std::vector<TrieWalk::Exit> exits;  // by byte

  size_t size_bytes() const noexcept {
    return sizeof *this + bits.size() * sizeof bits[0] + tokens.size() * sizeof tokens[0] +
           exits.size() * sizeof exits[0];
  }
};

// Filled as it is asked; any number of threads may ask. The grammar must outlive it.
class NodeMasks {
 public:
  static constexpr size_t kMaxBytes = size_t{64} << 20;  // of the tokens kept; beyond that all are forgotten

  NodeMasks(const Grammar& grammar, std::shared_ptr<const TokenTrie> trie);

  std::shared_ptr<const NodeTokens> tokens_of(int32_t node);
  const std::shared_ptr<const TokenTrie>& trie() const noexcept { return trie_; }

 private:
  std::shared_ptr<const NodeTokens> compute(int32_t node);

  const std::shared_ptr<const TokenTrie> trie_;
  std::vector<uint32_t> all_;  // bits of all tokens that have bytes
  std::mutex mutex_;
  StateGraph graph_;  // its outermost activation stands for whoever called
  TrieWalk walk_;
  std::unordered_map<int32_t, std::shared_ptr<const NodeTokens>> by_node_;
  size_t n_bytes_ = 0;
};

}  // namespace nextn::grammar
