#include "draft/draft_sources.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace nextn {

void DraftSources::add(Drafter& drafter, int max_draft, DraftKind kind) {
  NEXTN_CHECK(sources_.empty() || sources_.back().free_drafts() || kind != DraftKind::kFree);
  Source source = {&drafter, max_draft, kind, {}, {}};
  if (costs_ != nullptr) source.controller.emplace(*costs_, max_draft, kind);
  source.drafts.reserve(static_cast<size_t>(max_draft));
  sources_.push_back(std::move(source));
}

// Begins the source's draft; makes all of it where it is free.
void DraftSources::begin(Ctx& ctx, Source& source) noexcept {
  source.drafts.clear();
  source.right = true;
  source.begun = source.gave_up = false;
  if (!source.free_drafts() || !wants_draft(source)) return;
  begin_draft(source);
  do {
    Draft draft;
    if (!source.drafter->next(ctx, &draft) || !takes(source, draft)) {
      source.gave_up = true;
      if (source.controller) source.controller->gave_up();
    }
  } while (wants_draft(source));
}

void DraftSources::begin_draft(Source& source) noexcept {
  if (filter_ != nullptr) filter_->begin_draft();
  source.drafter->begin(tokens_);
}

bool DraftSources::wants_draft(const Source& source) const noexcept {
  if (source.gave_up || static_cast<int>(source.drafts.size()) >= std::min(limit_, source.max_draft)) return false;
  return !source.controller || source.controller->wants_draft();
}

bool DraftSources::takes(Source& source, const Draft& draft) noexcept {
  if (filter_ != nullptr && !filter_->take_draft(draft.token)) return false;
  source.drafts.push_back(draft.token);
  if (source.controller) source.controller->drafted(draft.p);
  return true;
}

void DraftSources::begin(Ctx& ctx, std::span<const int32_t> tokens, int limit, const Company& company) noexcept {
  tokens_ = tokens;
  limit_ = limit;
  for (Source& s : sources_) s.drafts.clear();
  if (costs_ == nullptr) return begin_first_that_has_any(ctx, 0);
  double best = 0;
  for (size_t i = 0; i < sources_.size(); i++) {
    Source& s = sources_[i];
    s.controller->begin_cycle(limit, company);
    if (s.free_drafts()) begin(ctx, s);
    const double rate = s.free_drafts() ? s.controller->drafted_rate() : s.controller->expected_rate();
    if (rate < best) continue;  // where nothing pays, the last one may probe
    best = rate;
    chosen_ = i;
  }
  if (!sources_[chosen_].free_drafts()) begin(ctx, sources_[chosen_]);
}

// Of those from `first` on; one that costs a step has some until it says that it has none.
void DraftSources::begin_first_that_has_any(Ctx& ctx, size_t first) noexcept {
  for (chosen_ = first;; chosen_++) {
    Source& s = sources_[chosen_];
    begin(ctx, s);
    if (!s.drafts.empty() || !s.free_drafts() || chosen_ + 1 == sources_.size()) return;
  }
}

bool DraftSources::wants_draft(const Company& company) noexcept {
  Source& s = sources_[chosen_];
  if (s.free_drafts()) return false;  // it has made all
  if (s.controller) s.controller->meet(company);
  if (!wants_draft(s)) return false;
  if (!std::exchange(s.begun, true)) begin_draft(s);
  return true;
}

void DraftSources::made(Ctx& ctx, const Draft& draft) noexcept {
  if (!takes(sources_[chosen_], draft)) made_none(ctx);
}

void DraftSources::made_none(Ctx& ctx) noexcept {
  Source& s = sources_[chosen_];
  s.gave_up = true;
  if (s.controller) s.controller->gave_up();
  if (costs_ == nullptr && s.drafts.empty() && chosen_ + 1 < sources_.size())
    begin_first_that_has_any(ctx, chosen_ + 1);
}

int DraftSources::n_to_verify(const Company& company) noexcept {
  Source& s = sources_[chosen_];
  if (s.controller) s.controller->meet(company);
  return s.controller ? s.controller->n_to_verify() : static_cast<int>(s.drafts.size());
}

double DraftSources::expected_tokens(int n_verified) const noexcept {
  if (sources_.empty()) return 1;
  const Source& s = sources_[chosen_];
  return s.controller ? s.controller->expected_tokens(n_verified) : 1 + n_verified;
}

void DraftSources::saw(Ctx& ctx, int n, int32_t token) noexcept {
  for (Source& s : sources_) {
    if (!s.right || n >= static_cast<int>(s.drafts.size())) continue;
    s.right = s.drafts[static_cast<size_t>(n)] == token;
    if (s.controller) s.controller->saw(n, s.right);
    s.drafter->saw(ctx, n, token);
  }
}

void DraftSources::end_cycle(int n_verified, int n_tokens, double draft_ms, double verify_ms) noexcept {
  for (size_t i = 0; i < sources_.size(); i++) {
    std::optional<DraftController>& controller = sources_[i].controller;
    if (!controller) continue;
    if (i == chosen_) {
      controller->end_cycle(n_verified, n_tokens, draft_ms, verify_ms);
    } else {
      controller->end_idle_cycle(n_tokens);
    }
  }
}

}  // namespace nextn
