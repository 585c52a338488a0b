// What a step of the loaded model costs on this machine: M rows of the trunk with their logits, and a step of the MTP
// head. Has a sequence of its own, whose caches hold made-up numbers.
#pragma once

#include <optional>
#include <vector>

#include "engine/engine.h"
#include "state/head_state.h"
#include "state/sequence_state.h"

namespace nextn {

class StepTimer {
 public:
  // Steps stand at `position` and after: position + the most rows of a step must not exceed the engine's n_ctx. Throws
  // Error{kSystem}.
  StepTimer(Engine& engine, int64_t position);

  // Milliseconds of a pass over n_sure + n_draft rows, n_draft <= the engine's max_draft.
  double trunk(int n_sure, int n_draft) noexcept;
  // Of the LM head over the last n rows of that pass, n <= 1 + max_draft.
  double logits(int n) noexcept;
  // Of the head's block over one row, and of its LM head with the arg max. The engine has a head.
  double head() noexcept;
  double head_logits() noexcept;
  // Of what the head does for n prompt rows.
  double head_prefill(int n) noexcept;

 private:
  Engine& engine_;
  const int64_t position_;
  SequenceState state_;
  std::optional<HeadState> head_;
  std::vector<int32_t> tokens_;
  TensorView hidden_, head_hidden_;
};

}  // namespace nextn
