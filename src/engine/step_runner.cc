#include "engine/step_runner.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace nextn {

// Prompts first: what they take of the step is company of those that draft.
void StepRunner::begin(std::span<Decoding* const> decodings, int prompt_rows) {
  in_step_.clear();
  const auto add = [&](Decoding* d, int rows, int drafts, const Company& company) {
    if (!d->begin_step(rows, drafts, company)) return false;
    in_step_.push_back(d);
    return true;
  };
  Company all;
  int spare = engine_.logit_rows();  // for drafts
  for (Decoding* d : decodings) {
    if (d->ended()) continue;
    if (!d->reading()) {
      all.rows++;
      all.tokens++;
      spare--;
    } else if (all.rows < prompt_rows && add(d, prompt_rows - all.rows, 0, {})) {
      all.rows += d->rows().n_sure + d->rows().n_draft;
      spare -= d->n_logits();
    }
  }
  first_++;
  for (size_t i = 0; i < decodings.size(); i++) {
    Decoding* d = decodings[(first_ + i) % decodings.size()];
    if (d->ended() || d->reading()) continue;
    if (!add(d, 0, std::max(spare, 0), {all.rows - 1, all.tokens - 1, all.draft_ms})) continue;
    spare -= d->rows().n_draft;
    all.rows += d->rows().n_draft;
    all.tokens += d->expected_tokens() - 1;
    all.draft_ms += d->draft_ms();
  }
}

// The rows whose logits are wanted, one after the other.
TensorView StepRunner::gather(const TensorView& hidden, int n_logits) {
  if (in_step_.size() == 1) return hidden.rows_from(hidden.rows - n_logits, n_logits);
  const TensorView out = engine_.gathered(n_logits);
  int64_t from = 0, to = 0;
  for (const Decoding* d : in_step_) {
    from += d->rows().n_sure + d->rows().n_draft;
    const int64_t n = d->n_logits();
    if (n == 0) continue;
    std::memcpy(out.row(to), hidden.row(from - n), static_cast<size_t>(n * hidden.cols) * sizeof(float));
    to += n;
  }
  return out;
}

int StepRunner::run(std::span<Decoding* const> decodings, int prompt_rows) {
  begin(decodings, prompt_rows);
  if (in_step_.empty()) return 0;
  const auto start = std::chrono::steady_clock::now();
  const auto ms = [&] {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  };
  rows_.clear();
  const bool prompts = std::ranges::any_of(in_step_, [](const Decoding* d) { return d->reading(); });
  int n_logits = 0;
  for (const Decoding* d : in_step_) {
    rows_.push_back(d->rows());
    n_logits += d->n_logits();
  }
  const TensorView hidden = engine_.model().forward(engine_.ctx(), rows_), logits = engine_.logits(n_logits),
                   max = engine_.logits_max(n_logits);
  if (n_logits > 0) engine_.model().logits(engine_.ctx(), logits, gather(hidden, n_logits), max);

  const double step_ms = ms();
  int64_t at = 0, logits_at = 0;
  for (Decoding* d : in_step_) {
    const int64_t n = d->rows().n_sure + d->rows().n_draft, n_of_logits = d->n_logits();
    d->end_step({hidden.rows_from(at, n), logits.rows_from(logits_at, n_of_logits),
                 max.rows_from(logits_at, n_of_logits), step_ms});
    at += n;
    logits_at += n_of_logits;
  }
  if (!prompts) engine_.costs().saw_verify(static_cast<int>(hidden.rows), ms());
  return static_cast<int>(hidden.rows);
}

}  // namespace nextn
