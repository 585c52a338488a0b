// Drafts from another model of the same vocabulary, one token after another, each a step of one row. What it ran for
// drafts that turned out right stays (D3), so catching up with the text is the rows that the trunk wrote otherwise.
#pragma once

#include <vector>

#include "draft/draft_filter.h"
#include "draft/drafter.h"
#include "model/model.h"
#include "state/sequence_state.h"

namespace nextn {

// The sequence of a draft model: what it has run of the text, and the drafts that it has run since.
struct DraftSequence {
  // shape.max_draft: drafts of a cycle at most. Throws Error{kSystem}.
  explicit DraftSequence(const StateShape& shape) : state(shape) { tokens.reserve(static_cast<size_t>(shape.n_ctx)); }

  void clear() noexcept {
    state.clear();
    tokens.clear();
  }

  SequenceState state;
  std::vector<int32_t> tokens;  // of its rows, drafts included
};

// A model and what its steps need.
struct DraftingModel {
  Model& model;
  Ctx& ctx;                       // its own: the activations of one model's step are there while another's runs
  TensorView logits, logits_max;  // room for one row, see Model::logits
  int64_t row_limit;              // of a step
};

class ModelDrafter final : public Drafter {
 public:
  // n_vocab: ids that the text may have; the model's own may be more or fewer. Ends before the first draft whose
  // probability is below p_min. filter: as MtpDrafter's. What is referred to outlives the drafter.
  ModelDrafter(const DraftingModel& model, DraftSequence& sequence, int64_t n_vocab, float p_min,
               DraftFilter* filter = nullptr);

  void begin(std::span<const int32_t> tokens) noexcept override;
  // The first step runs what the text has got since, all rows but the last for the state alone.
  bool next(Ctx&, Draft* draft) noexcept override;

  // Runs the text but for its last token, so that the first draft need not.
  void catch_up(std::span<const int32_t> tokens) noexcept;

 private:
  bool run(std::span<const int32_t> tokens) noexcept;

  DraftingModel m_;
  DraftSequence& sequence_;
  int64_t n_vocab_;  // ids that both know
  float p_min_;
  DraftFilter* filter_;
  // of the running draft
  std::span<const int32_t> text_;
  TensorView hidden_;  // of the last row that was run
  int n_ = 0;
  int32_t last_ = 0;  // draft n_ - 1
};

}  // namespace nextn
