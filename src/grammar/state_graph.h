// The states that a text can bring a grammar to, made as they are met and kept, so that a byte that was seen in a state
// before costs one look-up. A state is a set of configurations: a node, and the activation of its rule.
//
// An activation is what a stack is elsewhere: the places that the rule may return to, each with the activation that the
// place belongs to. Where two stacks differ only below, one activation has both, so that ambiguity grows with the text
// and not exponentially (a graph-structured stack). Activations and states are numbered by content and never change: to
// go back to a state is to remember its number.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "grammar/grammar.h"
#include "grammar/list_table.h"

namespace nextn::grammar {

// Not for two threads at once. The grammar must outlive it.
class StateGraph {
 public:
  static constexpr int32_t kDead = -1;      // no text goes on from here
  static constexpr int32_t kOutermost = 0;  // the activation that returns to nowhere: with it the text ends
  // A state with more configurations than this is taken for dead: a very ambiguous grammar loses texts, not time.
  static constexpr size_t kMaxConfigs = 1024;

  struct Config {
    int32_t node;
    int32_t activation;
  };

  explicit StateGraph(const Grammar& grammar);

  int32_t initial();            // before the text
  int32_t alone(int32_t node);  // at this node, in the outermost activation; its calls are not followed
  // Where rules are through that have one of these activations.
  int32_t returned(std::span<const int32_t> activations);

  // The state after one more byte, or kDead.
  int32_t step(int32_t state, uint8_t byte) {
    const uint8_t c = class_of_[byte];
    const int32_t row = row_of_[static_cast<size_t>(state)];
    if (row >= 0) {
      const int32_t known = rows_[static_cast<size_t>(row) * n_classes_ + c];
      if (known != kUnknown) return known;
    }
    return compute_step(state, c);
  }

  // The text may end in this state.
  bool ends(int32_t state) const noexcept { return ends_[static_cast<size_t>(state)] != 0; }

  // Ascending; only nodes that have a byte to go on with. For config().
  std::span<const uint64_t> configs(int32_t state) const noexcept {
    const auto list = states_.list(state);
    return list.first(list.size() - ends(state));
  }
  static Config config(uint64_t packed) noexcept {
    return {static_cast<int32_t>(packed >> 32), static_cast<int32_t>(packed & 0xFFFFFFFF)};
  }

  // What a step from here costs, about: configurations, and places that their activations may return to.
  int64_t weight(int32_t state) const noexcept { return weights_[static_cast<size_t>(state)]; }

  // The byte classes that lead on, as a set of bits.
  std::array<uint64_t, 4> live_classes(int32_t state) const;

  int32_t n_states() const noexcept { return states_.size(); }
  size_t size_bytes() const noexcept;

  // Forgets all but what the given states need, which get new numbers.
  void keep_only(std::span<int32_t> states);

  const Grammar& grammar() const noexcept { return *grammar_; }

 private:
  static constexpr int32_t kUnknown = -2;
  static constexpr uint64_t kEnd = UINT64_MAX;  // in an activation: returns to nowhere; in a state's list: it may end

  static uint64_t pack(int32_t node, int32_t activation) {
    return static_cast<uint64_t>(node) << 32 | static_cast<uint32_t>(activation);
  }
  int32_t compute_step(int32_t state, uint8_t byte_class);
  void begin();
  void add(int32_t node, int32_t activation);
  void return_to(std::span<const uint64_t> places);
  void call_from(int32_t node, int32_t activation);
  int32_t close();
  int32_t intern_state(std::vector<uint64_t>& list, bool ends);

  const Grammar* grammar_;
  const uint8_t* class_of_;
  size_t n_classes_;
  ListTable activations_;
  ListTable states_;
  std::vector<uint8_t> ends_;      // by state
  std::vector<int32_t> weights_;   // by state
  std::vector<int32_t> row_of_;    // by state: its row, -1 until a byte is asked for
  std::vector<int32_t> rows_;      // (rows, classes): the next state
  std::vector<int32_t> returned_;  // by activation: the state, if it is the only one

  // Of the state that is being made.
  std::vector<uint64_t> items_;                        // configurations
  std::vector<uint64_t> seen_;                         // the same as a hash set, once they are many
  std::vector<std::pair<int32_t, uint64_t>> pending_;  // heap by rule: rule to call, place to return to
  std::vector<uint64_t> places_;
  bool may_end_ = false;
};

}  // namespace nextn::grammar
