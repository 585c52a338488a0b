// Drafts from the model's own MTP head, one token after another: the head's row for the last token uses the trunk's
// hidden state, the ones after it use the head's own.
#pragma once

#include "draft/draft_head.h"
#include "draft/drafter.h"
#include "model/model.h"

namespace nextn {

class MtpDrafter final : public Drafter {
 public:
  // Ends before the first draft whose probability is below p_min. All references outlive the drafter. Drafters that
  // share a DraftHead make their drafts one after the other; of a cycle's, it learns from the last one's.
  MtpDrafter(Model& model, HeadState& state, DraftHead& head, float p_min)
      : model_(model), state_(state), head_(head), p_min_(p_min) {
    head.begin_text(this);
  }

  void begin(std::span<const int32_t> tokens) noexcept override;
  // The first step is the catch-up too: rows that the trunk has accepted since get their keys and values in the same
  // pass (D6).
  bool next(Ctx& ctx, Draft* draft) noexcept override;
  void saw(Ctx& ctx, int n, int32_t token) noexcept override {
    if (head_.has_text_of(this)) head_.saw(ctx, n, token);
  }

 private:
  Model& model_;
  HeadState& state_;
  DraftHead& head_;
  float p_min_;
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
