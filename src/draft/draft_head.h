// The LM head as drafting reads it. A draft needs the token with the largest logit, not all logits of a vocabulary of
// 248k: a sketch says which tiles of the head may hold it, and those alone are computed, exactly (D5). What the sketch
// misses costs an accepted draft and never changes the text.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ops/ctx.h"
#include "ops/sketch.h"
#include "ops/weight.h"
#include "sampling/sampler.h"
#include "tensor/buffer.h"

namespace nextn {

// What drafts choose from: the whole vocabulary, or so many ids from 0 on together with those that the text has.
constexpr int64_t kDraftVocabAuto = 0;   // the whole, through a sketch where that pays
constexpr int64_t kDraftVocabFull = -1;  // the whole, every logit computed

// A sequence's drafts of the running cycle as the head made them, for DraftHead::saw.
class DraftTrace {
 public:
  // max_draft: that are remembered. Throws Error{kSystem}.
  DraftTrace(int64_t n_embd, int max_draft) : hidden_(max_draft, n_embd), drafts_(static_cast<size_t>(max_draft)) {}

  static size_t size_bytes(int64_t n_embd, int max_draft) noexcept {
    return static_cast<size_t>(max_draft) * (static_cast<size_t>(n_embd) * sizeof(float) + sizeof(Kept));
  }

 private:
  friend class DraftHead;

  struct Kept {
    int32_t token;
    float logit;
  };

  Buffer hidden_;  // (max_draft, D): the rows that gave them
  std::vector<Kept> drafts_;
};

class DraftHead {
 public:
  // head: (V, D), outlives this. max_rows: of best(). step_bytes: weights that a step without drafts reads, which says
  // what an accepted draft is worth. Throws Error{kSystem}.
  DraftHead(const Weight& head, int64_t vocab, int max_rows, uint64_t step_bytes);
  // Makes the sketch, where there is one: once, before the first draft, when the head is in memory.
  void sketch(Ctx& ctx) noexcept;

  // Bytes that the constructor takes; for a plan.
  static size_t size_bytes(const Weight& head, int64_t vocab, int max_rows) noexcept;

  // What is asked for a row of hidden states.
  struct Query {
    DraftTrace* trace;                  // of the row's sequence
    int number;                         // of the draft in its cycle, from 0
    std::span<const uint32_t> allowed;  // bits of the ids that it may be (draft/draft_filter.h); empty: all
  };
  // The likeliest tokens after hidden states (R, D), each of a sequence of its own, and their probabilities among the
  // candidates; the traces remember them. Ties to the lower id; {-1, 0} for a NaN, and where no candidate is allowed.
  // What a row gets does not depend on the others.
  void best(Ctx& ctx, const TensorView& hidden, std::span<const Query> queries, TopToken* top) noexcept;

  // Tells the trunk's token where the cycle has draft i. With that token's logit computed, drafts that the cut has lost
  // are known: auto leaves the sketch for the full head, for good, when they cost more than it saves.
  void saw(Ctx& ctx, DraftTrace& trace, int i, int32_t token) noexcept;

  // For a vocabulary of N ids and those of the text: one text at a time, so that rows with different ones go one by
  // one. Whose it is, that it is another one now, that it has grown.
  bool needs_text() const noexcept { return cut_ && n_first_tiles_ < head_.n_tiles(); }
  bool has_text_of(const void* drafter) const noexcept { return text_of_ == drafter; }
  void begin_text(const void* drafter) noexcept;
  void add_text(std::span<const int32_t> tokens) noexcept;

  bool cut() const noexcept { return cut_; }
  // Drafts that saw() has compared while the head was cut, and those of them that it has lost: the trunk's token has a
  // larger logit than the draft, so the full head had not chosen as the cut one did.
  int64_t n_compared() const noexcept { return n_compared_; }
  int64_t n_lost() const noexcept { return n_lost_; }
  double agreement() const noexcept {
    return n_compared_ > 0 ? 1 - static_cast<double>(n_lost_) / static_cast<double>(n_compared_) : 1;
  }

 private:
  TopToken best_of_candidates(Ctx& ctx, const TensorView& hidden, float* estimates, const Query& query) noexcept;

  const Weight& head_;
  bool automatic_, cut_;
  int64_t n_first_tiles_;  // tiles that every first look covers
  uint64_t step_bytes_, saved_bytes_ = 0;
  ops::Sketch sketch_;
  std::vector<float> estimates_;    // (max_rows, tiles); -infinity where nobody looks
  std::unique_ptr<bool[]> finite_;  // by row
  const void* text_of_ = nullptr;
  std::vector<int32_t> text_;        // sketch tiles beyond the first ones that have ids of the text
  std::vector<uint8_t> in_text_;     // by sketch tile
  std::vector<int32_t> candidates_;  // tiles
  Buffer logits_;                    // (1, V), or those of the candidates
  int64_t n_compared_ = 0, n_lost_ = 0;
};

// Writes the indices of the n largest of `values`, ascending; n <= their number. Among the last few, values within
// 1/2000 of the range are taken for equal, and equal ones in the order of their indices. None is NaN.
void largest(std::span<const float> values, int64_t n, int32_t* indices) noexcept;

}  // namespace nextn
