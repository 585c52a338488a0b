// Byte-pair encoding of one piece of text: start with its bytes, then merge the adjacent pair of lowest rank, the
// leftmost of equals, until none is left. What a piece is, the pre-tokenizer says; special tokens are no business of
// this file.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer/piece_table.h"

namespace nextn {

class Bpe {
 public:
  // token_bytes[id]: the bytes of a token, empty for one that encoding must not produce; the later of two equal ones
  // counts. The views must outlive the Bpe. merges: "A B" in the byte alphabet, in rank order. whole_pieces: a piece
  // that is a token is taken as it is, whatever the merges say. Throws Error{kFile} for a merge without two parts.
  Bpe(std::span<const std::string_view> token_bytes, std::span<const std::string> merges, bool whole_pieces);

  // Buffers of one encode call after another, so that it need not allocate; one for each thread.
  struct Scratch {
    struct Symbol {
      int32_t id;         // -1 when it was merged into the one on its left
      uint32_t previous;  // indices; kNone at the ends
      uint32_t next;
    };
    std::vector<Symbol> symbols;
    std::vector<uint64_t> queue;
    size_t n_queued = 0;  // pairs ever queued: fewer than 3 for each byte
  };

  // Appends the tokens of `piece` (less than 4 GiB) to `out`: O(n log n). A byte that has no token leaves none.
  void encode(std::string_view piece, Scratch& scratch, std::vector<int32_t>& out) const;

  bool has_byte(uint8_t byte) const noexcept { return is_token(byte_symbols_[byte]); }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Merge {
    int32_t left, right, merged;
  };

  bool is_token(int32_t symbol) const noexcept { return symbol < n_tokens_; }
  uint32_t rank_of(int32_t left, int32_t right) const noexcept;  // kNone when the two do not merge
  void index_merges();
  void queue_pair(Scratch& scratch, uint32_t left) const;
  void merge_all(Scratch& scratch) const;

  // Symbols are token ids and, from n_tokens_ on, byte strings that merges pass through without being tokens.
  int32_t n_tokens_;
  std::vector<std::string> other_symbols_;
  int32_t byte_symbols_[256];
  std::vector<Merge> merges_;  // by rank

  // (left, right) -> rank, open addressing.
  struct Slot {
    uint64_t pair;
    uint32_t rank;  // kNone: empty
  };
  std::vector<Slot> slots_;
  int slot_shift_ = 0;

  PieceTable whole_pieces_;  // empty unless asked for
};

}  // namespace nextn
