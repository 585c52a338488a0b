// Drafts what a grammar forces: where one text alone can follow (the key of a schema's next property, a bracket), the
// tokens that the tokenizer makes of it. The model may split it otherwise; it is verified like any draft.
#pragma once

#include <vector>

#include "draft/drafter.h"
#include "engine/constraint.h"
#include "text/tokenizer/tokenizer.h"

namespace nextn {

class ForcedDrafter final : public Drafter {
 public:
  // Both outlive it.
  ForcedDrafter(Constraint& constraint, const Tokenizer& tokenizer) : constraint_(constraint), tokenizer_(tokenizer) {}

  void begin(std::span<const int32_t> tokens) noexcept override;
  bool next(Ctx& ctx, Draft* draft) noexcept override;

 private:
  Constraint& constraint_;
  const Tokenizer& tokenizer_;
  // of the running draft
  std::vector<int32_t> ids_;
  size_t n_ = 0;
};

}  // namespace nextn
