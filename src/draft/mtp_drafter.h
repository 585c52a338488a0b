// Drafts from the model's own MTP head, one token after another: the head's row for the last token uses the trunk's
// hidden state, the ones after it use the head's own.
#pragma once

#include "draft/drafter.h"
#include "model/model.h"

namespace nextn {

class MtpDrafter final : public Drafter {
 public:
  // Ends before the first draft whose softmax probability is below p_min. `logits` is room for one row of n_vocab. All
  // references outlive the drafter.
  MtpDrafter(Model& model, HeadState& state, TensorView logits, float p_min)
      : model_(model), state_(state), logits_(logits), p_min_(p_min) {}

  void begin(std::span<const int32_t> tokens) noexcept override;
  // The first step is the catch-up too: rows that the trunk has accepted since get their keys and values in the same
  // pass (D6).
  bool next(Ctx& ctx, Draft* draft) noexcept override;

 private:
  Model& model_;
  HeadState& state_;
  TensorView logits_;
  float p_min_;
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
