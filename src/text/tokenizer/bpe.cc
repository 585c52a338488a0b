#include "text/tokenizer/bpe.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "text/tokenizer/byte_alphabet.h"

namespace nextn {

namespace {

uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

// Fibonacci hashing: the top bits of the product.
size_t first_slot(uint64_t pair, int shift) {
  return pair * 0x9e3779b97f4a7c15u >> shift;
}

}  // namespace

Bpe::Bpe(std::span<const std::string_view> token_bytes, std::span<const std::string> merges, bool whole_pieces)
    : n_tokens_(static_cast<int32_t>(token_bytes.size())) {
  PieceTable token_of(token_bytes.size());
  for (int32_t id = 0; id < n_tokens_; id++) {
    if (!token_bytes[id].empty()) token_of.put(token_bytes[id], id);
  }

  std::unordered_map<std::string, int32_t> other_symbol_of;
  const auto symbol_of = [&](const std::string& bytes) {
    if (const int32_t id = token_of.find(bytes); id != PieceTable::kNone) return id;
    const auto [it, is_new] =
        other_symbol_of.try_emplace(bytes, n_tokens_ + static_cast<int32_t>(other_symbols_.size()));
    if (is_new) other_symbols_.push_back(bytes);
    return it->second;
  };
  for (int byte = 0; byte < 256; byte++) byte_symbols_[byte] = symbol_of(std::string(1, static_cast<char>(byte)));

  merges_.reserve(merges.size());
  for (size_t i = 0; i < merges.size(); i++) {
    const std::string& merge = merges[i];
    const size_t space = merge.find(' ', 1);
    if (space >= merge.size() - 1 || merge.empty()) {
      fail(ErrorCode::kFile, "tokenizer.ggml.merges[{}]: expected two strings and a space between them, found '{}'", i,
           merge);
    }
    const auto left = bytes_of_letters(std::string_view(merge).substr(0, space));
    const auto right = bytes_of_letters(std::string_view(merge).substr(space + 1));
    if (!left || !right) continue;  // not bytes, so no text ever has this pair
    merges_.push_back({symbol_of(*left), symbol_of(*right), symbol_of(*left + *right)});
  }
  index_merges();
  if (whole_pieces) whole_pieces_ = std::move(token_of);
}

void Bpe::index_merges() {
  const size_t n_slots = std::bit_ceil(2 * merges_.size() + 2);
  slots_.assign(n_slots, {0, kNone});
  slot_shift_ = 64 - std::countr_zero(n_slots);
  for (uint32_t rank = 0; rank < merges_.size(); rank++) {
    const uint64_t pair = pair_key(merges_[rank].left, merges_[rank].right);
    size_t slot = first_slot(pair, slot_shift_);
    while (slots_[slot].rank != kNone && slots_[slot].pair != pair) slot = (slot + 1) % n_slots;
    if (slots_[slot].rank == kNone) slots_[slot] = {pair, rank};
  }
}

uint32_t Bpe::rank_of(int32_t left, int32_t right) const noexcept {
  const uint64_t pair = pair_key(left, right);
  size_t slot = first_slot(pair, slot_shift_);
  while (slots_[slot].rank != kNone && slots_[slot].pair != pair) slot = (slot + 1) % slots_.size();
  return slots_[slot].rank;
}

void Bpe::encode(std::string_view piece, Scratch& scratch, std::vector<int32_t>& out) const {
  if (const int32_t id = whole_pieces_.find(piece); id != PieceTable::kNone) {
    out.push_back(id);
    return;
  }
  const auto n = static_cast<uint32_t>(piece.size());
  scratch.symbols.resize(n);
  for (uint32_t i = 0; i < n; i++) {
    scratch.symbols[i] = {byte_symbols_[static_cast<uint8_t>(piece[i])], i - 1, i + 1 < n ? i + 1 : kNone};
  }
  merge_all(scratch);

  for (const Scratch::Symbol& symbol : scratch.symbols) {
    if (symbol.id < 0) continue;
    if (is_token(symbol.id)) {
      out.push_back(symbol.id);
      continue;
    }
    for (const char c : other_symbols_[symbol.id - n_tokens_]) {
      const int32_t byte = byte_symbols_[static_cast<uint8_t>(c)];
      if (is_token(byte)) out.push_back(byte);
    }
  }
}

// An entry of the queue is rank and left index in one number, so that order is by rank and then from the left. It says
// nothing of the symbols it was made for: the merge of that rank does, and it is stale when they are not there any
// more.
void Bpe::queue_pair(Scratch& scratch, uint32_t left) const {
  const Scratch::Symbol& symbol = scratch.symbols[left];
  if (symbol.next == kNone) return;
  const uint32_t rank = rank_of(symbol.id, scratch.symbols[symbol.next].id);
  if (rank == kNone) return;
  scratch.queue.push_back(static_cast<uint64_t>(rank) << 32 | left);
  std::push_heap(scratch.queue.begin(), scratch.queue.end(), std::greater<>());
  scratch.n_queued++;
}

void Bpe::merge_all(Scratch& scratch) const {
  std::vector<Scratch::Symbol>& symbols = scratch.symbols;
  scratch.queue.clear();
  for (uint32_t i = 0; i < symbols.size(); i++) queue_pair(scratch, i);
  while (!scratch.queue.empty()) {
    std::pop_heap(scratch.queue.begin(), scratch.queue.end(), std::greater<>());
    const uint64_t entry = scratch.queue.back();
    scratch.queue.pop_back();

    const Merge& merge = merges_[entry >> 32];
    const auto left = static_cast<uint32_t>(entry);
    const uint32_t right = symbols[left].next;
    if (symbols[left].id != merge.left || right == kNone || symbols[right].id != merge.right) continue;
    symbols[left].id = merge.merged;
    symbols[left].next = symbols[right].next;
    symbols[right].id = -1;
    if (symbols[left].next != kNone) symbols[symbols[left].next].previous = left;
    if (symbols[left].previous != kNone) queue_pair(scratch, symbols[left].previous);
    queue_pair(scratch, left);
  }
}

}  // namespace nextn
