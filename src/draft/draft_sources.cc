#include "draft/draft_sources.h"

#include <algorithm>

#include "base/error.h"

namespace nextn {

void DraftSources::add(Drafter& drafter, int max_draft, DraftKind kind) {
  NEXTN_CHECK(sources_.empty() || sources_.back().free_drafts() || kind != DraftKind::kFree);
  Source source = {&drafter, max_draft, kind, {}, {}};
  if (costs_ != nullptr) source.controller.emplace(*costs_, max_draft, kind);
  source.drafts.reserve(static_cast<size_t>(max_draft));
  sources_.push_back(std::move(source));
}

void DraftSources::make(Ctx& ctx, Source& source, std::span<const int32_t> tokens, int limit) noexcept {
  const int most = std::min(limit, source.max_draft);
  source.drafts.clear();
  source.right = true;
  if (most < 1 || (source.controller && !source.controller->wants_draft())) return;
  source.drafter->begin(tokens);
  Draft draft;
  do {
    if (!source.drafter->next(ctx, &draft)) {
      if (source.controller) source.controller->gave_up();
      return;
    }
    source.drafts.push_back(draft.token);
    if (source.controller) source.controller->drafted(draft.p);
  } while (static_cast<int>(source.drafts.size()) < most && (!source.controller || source.controller->wants_draft()));
}

std::span<const int32_t> DraftSources::draft(Ctx& ctx, std::span<const int32_t> tokens, int limit,
                                             const Company& company) noexcept {
  for (Source& s : sources_) s.drafts.clear();
  if (costs_ == nullptr) {
    for (chosen_ = 0;; chosen_++) {
      make(ctx, sources_[chosen_], tokens, limit);
      if (!sources_[chosen_].drafts.empty() || chosen_ + 1 == sources_.size()) break;
    }
    return sources_[chosen_].drafts;
  }
  double best = 0;
  for (size_t i = 0; i < sources_.size(); i++) {
    Source& s = sources_[i];
    s.controller->begin_cycle(limit, company);
    if (s.free_drafts()) make(ctx, s, tokens, limit);
    const double rate = s.free_drafts() ? s.controller->drafted_rate() : s.controller->expected_rate();
    if (rate < best) continue;  // where nothing pays, the last one may probe
    best = rate;
    chosen_ = i;
  }
  if (!sources_[chosen_].free_drafts()) make(ctx, sources_[chosen_], tokens, limit);
  return sources_[chosen_].drafts;
}

int DraftSources::n_to_verify() const noexcept {
  const Source& s = sources_[chosen_];
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
