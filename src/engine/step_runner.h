// Runs steps of the engine: the rows of any number of decodings go through the trunk together, each weight read once
// for all of them. How many drafts are worth their rows is one budget: each sequence's are weighed against what the
// whole step takes (draft/controller.h, Company).
#pragma once

#include <span>
#include <vector>

#include "engine/decoding.h"

namespace nextn {

class StepRunner {
 public:
  explicit StepRunner(Engine& engine) : engine_(engine) {}

  // One step for those of them that have not ended, at most options.n_parallel, with at most `prompt_rows` rows of
  // prompts, dealt out in their order. Gives the rows that it had.
  int run(std::span<Decoding* const> decodings, int prompt_rows);

 private:
  void begin(std::span<Decoding* const> decodings, int prompt_rows);
  TensorView gather(const TensorView& hidden, int n_logits);

  Engine& engine_;
  size_t first_ = 0;  // who drafts first, in turn
  // of the running step
  std::vector<Decoding*> in_step_;
  std::vector<SequenceRows> rows_;
};

}  // namespace nextn
