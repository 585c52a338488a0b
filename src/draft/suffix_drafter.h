// Drafts from the text itself, for text that repeats: where the longest end of it has stood before, what followed there
// is drafted (arXiv:2411.04975 has the idea; the search is that of LZ77). Costs no step of any model, so it may draft
// far.
#pragma once

#include <vector>

#include "draft/drafter.h"

namespace nextn {

class SuffixDrafter final : public Drafter {
 public:
  static constexpr int kMinMatch = 3;    // tokens that must have stood before
  static constexpr int kMaxMatch = 128;  // more of them are not told apart

  // For one text of at most n_ctx tokens, which only grows.
  explicit SuffixDrafter(int64_t n_ctx);

  void begin(std::span<const int32_t> tokens) noexcept override;
  // The probability grows with the length of the match; how it is to be read is learned by draft/acceptance.h.
  bool next(Ctx& ctx, Draft* draft) noexcept override;

 private:
  size_t slot(const int32_t* last) const noexcept;  // of the kMinMatch tokens that end with *last
  void add(size_t position) noexcept;
  int match_length(size_t position) const noexcept;

  // Positions whose last kMinMatch tokens fall in the same slot form a chain, the latest first.
  std::vector<int32_t> latest_;  // by slot; -1: none
  std::vector<int32_t> before_;  // by position
  size_t n_known_ = 0;           // positions that are in the chains
  // of the running draft
  std::span<const int32_t> tokens_;
  size_t from_ = 0;  // the position after the match; no draft where it is 0
  size_t period_ = 1;
  size_t n_ = 0;
  float p_ = 0;
};

}  // namespace nextn
