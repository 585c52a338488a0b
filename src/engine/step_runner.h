// Runs steps of the engine: the rows of any number of decodings go through the trunk together, each weight read once
// for all of them. How many drafts are worth their rows is one budget: each sequence's are weighed against what the
// whole step takes (draft/controller.h, Company).
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "engine/decoding.h"

namespace nextn {

class StepRunner {
 public:
  explicit StepRunner(Engine& engine) : engine_(engine) {}

  // Rows of prompts that a step may have besides so many others: from 1 to options.row_limit.
  using PromptRows = std::function<int(int n_others)>;

  // More rows of prompts than that take longer out of the file than it takes to pack its weights (bench/LOG.md S1).
  static constexpr size_t kMostUnpacked = 64;

  // One step for those of them that have not ended, at most options.n_parallel; rows of prompts are dealt out in their
  // order. Gives the rows that it had. Short prompts, and nothing else, are read with weights that are not packed; any
  // other step packs them first.
  int run(std::span<Decoding* const> decodings, const PromptRows& prompt_rows);

 private:
  void pack(std::span<Decoding* const> decodings);
  void begin(std::span<Decoding* const> decodings, const PromptRows& prompt_rows);
  void read(std::span<Decoding* const> decodings, int n_rows);
  void draft();
  void choose_round();
  void make_round();
  Company company_of(const Decoding& d) const noexcept;
  template <class Act>
  void change(Decoding& d, const Act& act) noexcept;
  TensorView gather(const TensorView& hidden, int n_logits);

  Engine& engine_;
  size_t turn_ = 0;     // who drafts first
  int n_unpacked_ = 0;  // steps with weights that were not packed
  // of the running step
  std::vector<Decoding*> in_step_;
  std::vector<SequenceRows> rows_;
  Company all_;    // everything in it but the prompts
  int spare_ = 0;  // rows of logits
  std::vector<Decoding*> drafting_, in_round_, before_;
  std::vector<MtpDrafter*> heads_;  // of the round
  std::vector<Draft> made_;         // by them
  std::vector<int> passes_;         // of the head in the step: how many sequences each was for
  double passes_ms_ = 0;
};

}  // namespace nextn
