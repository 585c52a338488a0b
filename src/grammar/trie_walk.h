// Which tokens a grammar takes in a state: the tree of tokens is walked along with the states, and a part of the tree
// is passed over where the state has no byte for it, or takes all of it.
#pragma once

#include <compare>
#include <cstdint>
#include <utility>
#include <vector>

#include "grammar/state_graph.h"
#include "grammar/token_trie.h"

namespace nextn::grammar {

// Remembers what it learned of one graph's states; forget() when they get new numbers. Not for two threads at once.
class TrieWalk {
 public:
  // A place whose parent is where the outermost rule may end: what follows there depends on who called it.
  struct Exit {
    uint8_t byte;
    int32_t place;
    auto operator<=>(const Exit&) const = default;
  };

  // Tokens that go through one of the places [first, last), siblings and all below them, taken by `state` from their
  // parent on. Appends to tokens(): ranges of TokenTrie::by_bytes(), ascending. Exits are appended to `exits` if it is
  // not null, those of `state` itself left out, and those where all tokens below are taken anyway.
  void walk(const TokenTrie& trie, StateGraph& graph, int32_t first, int32_t last, int32_t state,
            std::vector<Exit>* exits);

  // Forgets the tokens, and begins to count: after begin(), walks take no more tokens once the states that bytes led to
  // have a weight of kMaxWork together. That is too little only where a very ambiguous grammar takes most tokens in
  // many ways. What is counted depends on grammar, text and vocabulary alone, not on what is remembered.
  static constexpr int64_t kMaxWork = 16'000'000;
  void begin() {
    tokens_.clear();
    work_left_ = kMaxWork;
  }
  const std::vector<std::pair<int32_t, int32_t>>& tokens() const { return tokens_; }
  void forget() { uniform_.clear(); }

 private:
  // Characters that all lead to the same next state, and how many states in a row are like that (kForever: it comes
  // back to itself).
  struct Uniform {
    uint64_t chars = 0;
    int32_t next = -1;
    uint8_t run = 0;  // 0: not known
    bool known = false;
  };
  static constexpr uint8_t kForever = 255, kLookAhead = 32;

  Uniform& uniform(StateGraph& graph, int32_t state);
  bool takes_all(StateGraph& graph, int32_t state, const TokenTrie::Place& place);
  static uint64_t chars_beyond_ascii(StateGraph& graph, int32_t state, int32_t next);
  void add_tokens(int32_t first, int32_t last);

  int64_t work_left_ = kMaxWork;
  std::vector<Uniform> uniform_;  // by state
  std::vector<std::pair<int32_t, int32_t>> tokens_;
  std::vector<std::pair<int32_t, int32_t>> path_;  // state, and where the places below it end
};

}  // namespace nextn::grammar
