#include "engine/step_runner.h"

#include <algorithm>
#include <cstring>

#include "base/clock.h"

namespace nextn {

// What else the step holds for a sequence.
Company StepRunner::company_of(const Decoding& d) const noexcept {
  return {all_.rows - d.n_rows(), all_.tokens - d.expected_tokens(), all_.draft_ms - d.draft_ms(), all_.sharers};
}

// Something of a sequence's share in the step changes.
template <class Act>
void StepRunner::change(Decoding& d, const Act& act) noexcept {
  const Company others = company_of(d);
  act(others);
  all_.rows = others.rows + d.n_rows();
  all_.tokens = others.tokens + d.expected_tokens();
  all_.draft_ms = others.draft_ms + d.draft_ms();
}

// Those who write first, with the drafts that they would have if nobody read beside them: a step then takes longer by
// what the prompts' rows cost, and by no drafts that would pay only beside these.
void StepRunner::begin(std::span<Decoding* const> decodings, const PromptRows& prompt_rows) {
  in_step_.clear();
  drafting_.clear();
  all_ = {};
  spare_ = engine_.logit_rows();
  for (Decoding* d : decodings) {
    d->end_if_told();                       // also a prompt that has to wait for rows
    spare_ -= !d->ended() && d->reading();  // its end has logits
  }
  turn_++;
  for (size_t i = 0; i < decodings.size(); i++) {
    Decoding* d = decodings[(turn_ + i) % decodings.size()];
    if (d->ended() || d->reading() || !d->begin_step(0)) continue;
    in_step_.push_back(d);
    if (d->can_draft()) drafting_.push_back(d);
    all_.rows++;
    all_.tokens++;
    spare_--;
  }
  draft();
  if (std::ranges::any_of(decodings, [](const Decoding* d) { return !d->ended() && d->reading(); })) {
    read(decodings, prompt_rows(all_.rows));
  }
}

void StepRunner::read(std::span<Decoding* const> decodings, int n_rows) {
  for (Decoding* d : decodings) {
    if (d->ended() || !d->reading() || n_rows <= 0 || !d->begin_step(n_rows)) continue;
    in_step_.push_back(d);
    n_rows -= d->n_rows();
  }
}

// Everybody gets one draft after the other, as long as somebody wants one.
void StepRunner::draft() {
  passes_.clear();
  passes_ms_ = 0;
  all_.sharers = std::max(1, static_cast<int>(drafting_.size()));
  for (Decoding* d : drafting_) {
    change(*d, [&](const Company& company) { d->begin_drafts(std::max(spare_, 0), company); });
    spare_ -= d->rows().n_draft;
  }
  in_round_ = drafting_;
  do {
    choose_round();
    make_round();
  } while (!in_round_.empty());
  engine_.costs().saw_drafts(DraftKind::kHead, passes_, passes_ms_);
  all_.sharers = passes_.empty() ? 1 : passes_.front();  // whom the drafts that were made are reckoned among
  for (Decoding* d : drafting_) {
    change(*d, [&](const Company& company) { d->end_drafts(company); });
  }
}

// Of those who got one in the last round, who wants another, given that so many share its cost; and once more, where
// there are fewer.
void StepRunner::choose_round() {
  const std::vector<Decoding*>& before = before_ = in_round_;
  for (int look = 0; look < 2 && (look == 0 || static_cast<int>(in_round_.size()) < all_.sharers); look++) {
    if (look > 0 && in_round_.empty()) return;
    all_.sharers = std::max(1, static_cast<int>(in_round_.size()));
    in_round_.clear();
    int64_t head_rows = 0;
    for (Decoding* d : before) {
      const int n = static_cast<int>(in_round_.size());
      Company company = company_of(*d);
      company.rows += n;
      if (spare_ <= n || !d->wants_draft(company)) continue;
      if (MtpDrafter* const head = d->head_drafter()) {
        head_rows += head->n_rows();
        if (n >= static_cast<int>(MtpDrafter::kMostAtOnce) || head_rows > step_rows(engine_.options())) continue;
      }
      in_round_.push_back(d);
    }
  }
}

// Those who draft with the head do it in one pass.
void StepRunner::make_round() {
  heads_.clear();
  for (Decoding* d : in_round_) {
    if (MtpDrafter* const head = d->head_drafter()) heads_.push_back(head);
  }
  double share_ms = 0;
  if (!heads_.empty()) {
    made_.resize(heads_.size());
    const auto start = Clock::now();
    MtpDrafter::next(engine_.ctx(), heads_, made_.data());
    const double ms = ms_since(start);
    passes_.push_back(static_cast<int>(heads_.size()));
    passes_ms_ += ms;
    share_ms = ms / static_cast<double>(heads_.size());
  }
  size_t i = 0;  // of the head's
  for (Decoding* d : in_round_) {
    change(*d, [&](const Company&) { d->head_drafter() != nullptr ? d->made(made_[i++], share_ms) : d->make_draft(); });
  }
  spare_ -= static_cast<int>(in_round_.size());
}

// The rows whose logits are wanted, one after the other.
TensorView StepRunner::gather(const TensorView& hidden, int n_logits) {
  if (in_step_.size() == 1) return hidden.rows_from(hidden.rows - n_logits, n_logits);
  const TensorView out = engine_.gathered(n_logits);
  int64_t from = 0, to = 0;
  for (const Decoding* d : in_step_) {
    from += d->n_rows();
    const int64_t n = d->n_logits();
    if (n == 0) continue;
    std::memcpy(out.row(to), hidden.row(from - n), static_cast<size_t>(n * hidden.cols) * sizeof(float));
    to += n;
  }
  return out;
}

// Before a step that must not be without. Ends early where all are told to end.
void StepRunner::pack(std::span<Decoding* const> decodings) {
  constexpr int kMostSteps = 2;  // a prompt may be read in two for its checkpoint; each costs a packing
  while (!engine_.packed()) {
    size_t n_rows = 0;
    bool writes = false;
    for (Decoding* d : decodings) {
      d->end_if_told();
      if (d->ended()) continue;
      n_rows += d->n_left();
      writes |= !d->reading();
    }
    if (!writes && n_rows <= kMostUnpacked && n_unpacked_ < kMostSteps) return;
    if (!writes && n_rows == 0) return;
    engine_.pack_some();
  }
}

int StepRunner::run(std::span<Decoding* const> decodings, const PromptRows& prompt_rows) {
  pack(decodings);
  begin(decodings, prompt_rows);
  if (in_step_.empty()) return 0;
  n_unpacked_ += !engine_.packed();
  const auto start = Clock::now();
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

  const double step_ms = ms_since(start);
  int64_t at = 0, logits_at = 0;
  for (Decoding* d : in_step_) {
    const int64_t n = d->n_rows(), n_of_logits = d->n_logits();
    d->end_step({hidden.rows_from(at, n), logits.rows_from(logits_at, n_of_logits),
                 max.rows_from(logits_at, n_of_logits), step_ms});
    at += n;
    logits_at += n_of_logits;
  }
  if (!prompts) engine_.costs().saw_verify(static_cast<int>(hidden.rows), ms_since(start));
  return static_cast<int>(hidden.rows);
}

}  // namespace nextn
