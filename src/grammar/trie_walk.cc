#include "grammar/trie_walk.h"

#include <algorithm>

namespace nextn::grammar {

namespace {

constexpr int32_t kWorthAsking = 8;  // places below, from which on it pays to look whether all are taken

}  // namespace

void TrieWalk::add_tokens(int32_t first, int32_t last) {
  if (!tokens_.empty() && tokens_.back().second == first) {
    tokens_.back().second = last;
  } else if (first != last) {
    tokens_.emplace_back(first, last);
  }
}

void TrieWalk::walk(const TokenTrie& trie, StateGraph& graph, int32_t first, int32_t last, int32_t state,
                    std::vector<Exit>* exits) {
  path_.assign(1, {state, last});
  for (int32_t p = first; p < last && work_left_ > 0;) {
    while (p >= path_.back().second) path_.pop_back();
    const int32_t from = path_.back().first;
    const TokenTrie::Place& place = trie.place(p);
    const int32_t next = graph.step(from, place.byte);
    work_left_ -= next == StateGraph::kDead ? 1 : graph.weight(next);
    const bool all = next != StateGraph::kDead && place.end - p >= kWorthAsking && takes_all(graph, from, place);
    if (exits != nullptr && !all && path_.size() > 1 && graph.ends(from)) exits->push_back({place.byte, p});
    if (next == StateGraph::kDead) {
      p = place.end;
    } else if (all) {
      add_tokens(place.token, trie.last_token(p));
      p = place.end;
    } else {
      add_tokens(place.token, trie.first_below(p));
      if (place.end > p + 1) path_.emplace_back(next, place.end);
      p++;
    }
  }
}

bool TrieWalk::takes_all(StateGraph& graph, int32_t state, const TokenTrie::Place& place) {
  Uniform& u = uniform(graph, state);
  if ((place.chars & ~u.chars) != 0) return false;
  if (u.run == 0) {
    // u may move when uniform() grows the list.
    const uint64_t chars = u.chars;
    int32_t at = u.next, last = state;
    uint8_t run = 1;
    for (; run < kLookAhead && at != last; run++) {
      const Uniform& next = uniform(graph, at);
      if (next.chars != chars) break;
      last = std::exchange(at, next.next);
    }
    uniform(graph, state).run = at == last ? kForever : run;
  }
  const uint8_t run = uniform(graph, state).run;
  return run == kForever || place.height <= run;
}

TrieWalk::Uniform& TrieWalk::uniform(StateGraph& graph, int32_t state) {
  const auto i = static_cast<size_t>(state);
  if (i >= uniform_.size()) uniform_.resize(i + 64);
  if (uniform_[i].known) return uniform_[i];
  Uniform u{.known = true};
  for (uint8_t sample : {'a', '0', ' ', '-'}) {
    u.next = graph.step(state, sample);
    if (u.next != StateGraph::kDead) break;
  }
  if (u.next != StateGraph::kDead) {
    uint64_t others = 0;
    for (uint8_t c = 0; c < 0x80; c++) {
      const uint64_t bit = uint64_t{1} << TokenTrie::char_bit(c);
      u.chars |= bit;
      if (graph.step(state, c) != u.next) others |= bit;
    }
    u.chars &= ~others;
    u.chars |= chars_beyond_ascii(graph, state, u.next);
  }
  return uniform_[i] = u;
}

// The kinds of characters beyond ASCII of which each leads from `state` to `next`. States that are met again with as
// many bytes left are not looked at twice.
uint64_t TrieWalk::chars_beyond_ascii(StateGraph& graph, int32_t state, int32_t next) {
  std::vector<std::pair<int32_t, int>> good;  // any continuation bytes, so many, lead from here to `next`
  const auto lead_on = [&](auto&& self, int32_t from, int n_left, uint8_t first, uint8_t last) -> bool {
    if (from == StateGraph::kDead) return false;
    if (n_left == 0) return from == next;
    const bool any = first == 0x80 && last == 0xBF;
    if (any && std::ranges::find(good, std::pair(from, n_left)) != good.end()) return true;
    for (int byte = first; byte <= last; byte++)
      if (!self(self, graph.step(from, static_cast<uint8_t>(byte)), n_left - 1, 0x80, 0xBF)) return false;
    if (any) good.emplace_back(from, n_left);
    return true;
  };
  const auto after = [&](int32_t from, uint8_t byte) {
    return from == StateGraph::kDead ? from : graph.step(from, byte);
  };
  for (int lead = 0xC2; lead <= 0xF4; lead++) {
    const int n_left = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    // U+2028 and U+2029 are E2 80 A8 and A9.
    const uint8_t first = lead == 0xE0 ? 0xA0 : lead == 0xE2 ? 0x81 : lead == 0xF0 ? 0x90 : 0x80;
    const uint8_t last = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (!lead_on(lead_on, graph.step(state, static_cast<uint8_t>(lead)), n_left, first, last)) return 0;
  }
  const int32_t before = after(graph.step(state, 0xE2), 0x80);
  if (!lead_on(lead_on, before, 1, 0x80, 0xA7) || !lead_on(lead_on, before, 1, 0xAA, 0xBF)) return 0;
  uint64_t chars = uint64_t{1} << TokenTrie::kOtherChars;
  if (lead_on(lead_on, before, 1, 0xA8, 0xA9)) chars |= uint64_t{1} << TokenTrie::kLineSeparators;
  return chars;
}

}  // namespace nextn::grammar
