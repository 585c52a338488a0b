#include "draft/model_drafter.h"

#include <algorithm>

#include "sampling/sampler.h"

namespace nextn {

ModelDrafter::ModelDrafter(const DraftingModel& model, DraftSequence& sequence, int64_t n_vocab, float p_min,
                           DraftFilter* filter)
    : m_(model),
      sequence_(sequence),
      n_vocab_(std::min(n_vocab, model.model.info().n_vocab)),
      p_min_(p_min),
      filter_(filter) {}

// Takes the rows that the text has borne out and runs its others. False where it has an id that the model lacks, or is
// longer than its context.
bool ModelDrafter::run(std::span<const int32_t> text) noexcept {
  SequenceState& state = sequence_.state;
  std::vector<int32_t>& tokens = sequence_.tokens;
  if (static_cast<int64_t>(text.size()) > state.shape().n_ctx) return false;
  const auto known = std::ranges::mismatch(tokens, text).in1 - tokens.begin();
  // The last row has to be run for its hidden state.
  const int64_t kept = std::min<int64_t>(known, static_cast<int64_t>(text.size()) - 1);
  if (kept < state.length()) {
    sequence_.clear();
  } else {
    state.commit(static_cast<int>(kept - state.length()));
    tokens.resize(static_cast<size_t>(kept));
  }
  while (tokens.size() < text.size()) {
    const size_t at = tokens.size(), n = std::min(text.size() - at, static_cast<size_t>(m_.row_limit));
    const std::span<const int32_t> rows = text.subspan(at, n);
    if (std::ranges::any_of(rows, [&](int32_t id) { return id >= n_vocab_; })) return false;
    const SequenceRows step = {&state, rows.data(), static_cast<int>(n), 0};
    const TensorView hidden = m_.model.forward(m_.ctx, {&step, 1});
    hidden_ = hidden.rows_from(hidden.rows - 1, 1);
    state.commit(0);
    tokens.insert(tokens.end(), rows.begin(), rows.end());
  }
  return true;
}

void ModelDrafter::begin(std::span<const int32_t> tokens) noexcept {
  text_ = tokens;
  n_ = 0;
}

bool ModelDrafter::next(Ctx&, Draft* draft) noexcept {
  if (n_ == 0) {
    if (!run(text_)) return false;
  } else {
    if (static_cast<int64_t>(sequence_.tokens.size()) == sequence_.state.shape().n_ctx) return false;
    const SequenceRows step = {&sequence_.state, &last_, 0, 1};
    hidden_ = m_.model.forward(m_.ctx, {&step, 1});
    sequence_.tokens.push_back(last_);
  }
  n_++;
  m_.model.logits(m_.ctx, m_.logits, hidden_, m_.logits_max);
  if (filter_ != nullptr) {
    const std::span<const uint32_t> allowed = filter_->allowed_in_draft();
    if (!allowed.empty()) keep_allowed(m_.logits.data, 0, n_vocab_, allowed);
  }
  const TopToken top = top_probability(m_.logits.data, n_vocab_);
  *draft = {top.p < p_min_ ? -1 : top.id, top.p};
  last_ = draft->token;
  return draft->token >= 0;
}

void ModelDrafter::catch_up(std::span<const int32_t> tokens) noexcept {
  if (tokens.size() > 1) run(tokens.first(tokens.size() - 1));
}

}  // namespace nextn
