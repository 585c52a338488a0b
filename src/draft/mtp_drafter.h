// Drafts from the model's own MTP head, one token after another: the head's row for the last token uses the trunk's
// hidden state, the ones after it use the head's own.
#pragma once

#include "draft/draft_filter.h"
#include "draft/draft_head.h"
#include "draft/drafter.h"
#include "model/model.h"

namespace nextn {

class MtpDrafter final : public Drafter {
 public:
  // Ends before the first draft whose probability is below p_min. max_draft: of a cycle. filter: drafts are the best of
  // those that it allows; nullptr: of all. What is referred to outlives the drafter. Throws Error{kSystem}.
  MtpDrafter(Model& model, HeadState& state, DraftHead& head, int max_draft, float p_min, DraftFilter* filter = nullptr)
      : model_(model),
        state_(state),
        head_(head),
        trace_(model.info().n_embd, max_draft),
        p_min_(p_min),
        filter_(filter) {
    head.begin_text(this);
  }

  void begin(std::span<const int32_t> tokens) noexcept override;
  // The first step is the catch-up too: rows that the trunk has accepted since get their keys and values in the same
  // pass (D6).
  bool next(Ctx& ctx, Draft* draft) noexcept override;
  static constexpr size_t kMostAtOnce = 64;
  // One more token of each of at most kMostAtOnce sequences' drafts in one pass of the head; their n_rows() together
  // are at most the rows of a step. All draft with the same model and DraftHead. A draft's token is negative where
  // there is none to be had.
  static void next(Ctx& ctx, std::span<MtpDrafter* const> drafters, Draft* drafts) noexcept;
  int n_rows() const noexcept { return n_ == 0 ? state_.backlog() : 1; }  // of the pass that makes the next
  void saw(Ctx& ctx, int n, int32_t token) noexcept override { head_.saw(ctx, trace_, n, token); }

 private:
  HeadRows rows() noexcept;
  void tell_text() noexcept;

  Model& model_;
  HeadState& state_;
  DraftHead& head_;
  DraftTrace trace_;
  float p_min_;
  DraftFilter* filter_;
  size_t n_known_ = 0;  // tokens of the text that head_ has been told
  // of the running draft
  std::span<const int32_t> tokens_;
  int n_ = 0;
  int32_t last_ = 0;      // draft n_ - 1
  TensorView hidden_;     // the head's, of the row that gave it
  int64_t position_ = 0;  // of the row that gives the next
};

// Gives the first n rows of the head's backlog their keys and values without drafting.
void catch_up_head(Ctx& ctx, Model& model, HeadState& state, std::span<const int32_t> tokens, int n) noexcept;

}  // namespace nextn
