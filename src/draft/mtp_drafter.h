// Drafts from the model's own MTP head, one token after another: the head's row for the last token uses the trunk's
// hidden state, the ones after it use the head's own.
#pragma once

#include "draft/drafter.h"
#include "model/model.h"

namespace nextn {

class MtpDrafter final : public Drafter {
 public:
  // Stops before the first draft whose softmax probability is below p_min. `logits` is room for one row of n_vocab. All
  // references outlive the drafter.
  MtpDrafter(Model& model, HeadState& state, TensorView logits, float p_min)
      : model_(model), state_(state), logits_(logits), p_min_(p_min) {}

  // The first step is the catch-up too: rows that the trunk has accepted since get their keys and values in the same
  // pass (D6).
  int draft(Ctx& ctx, std::span<const int32_t> tokens, int limit, int32_t* drafts) noexcept override;

 private:
  Model& model_;
  HeadState& state_;
  TensorView logits_;
  float p_min_;
};

// Gives the first n rows of the head's backlog their keys and values without drafting.
void catch_up_head(Ctx& ctx, Model& model, HeadState& state, std::span<const int32_t> tokens, int n) noexcept;

}  // namespace nextn
