// Whose drafts a cycle verifies: the source that promises the most tokens in a millisecond. Drafts that cost nothing
// are made first and judged by how sure they are; those that cost a step are judged before they are made.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "draft/controller.h"
#include "draft/draft_filter.h"
#include "draft/drafter.h"

namespace nextn {

class DraftSources {
 public:
  // costs: draft as many as pay; nullptr: always as many as allowed, of the first source that has any. They outlive
  // the sources, as the drafters do.
  explicit DraftSources(StepCosts* costs) : costs_(costs) {}

  // Drafts end before the first that it forbids. Outlives the sources.
  void filter_with(DraftFilter& filter) noexcept { filter_ = &filter; }

  // max_draft: of one cycle. Of several sources those of free drafts go first.
  void add(Drafter& drafter, int max_draft, DraftKind kind);
  bool empty() const noexcept { return sources_.empty(); }

  // Begins the drafts of a cycle, at most `limit`, of what follows `tokens`, and makes them where they are free. There
  // is at least one source.
  void begin(Ctx& ctx, std::span<const int32_t> tokens, int limit, const Company& company = {}) noexcept;
  // Whether the chosen source's drafter is to make one more, as the company is now; what it made, or that it made none.
  bool wants_draft(const Company& company = {}) noexcept;
  Drafter& drafter() const noexcept { return *sources_[chosen_].drafter; }
  void made(Ctx& ctx, const Draft& draft) noexcept;  // a forbidden one is as none
  void made_none(Ctx& ctx) noexcept;
  // Valid until the next cycle.
  std::span<const int32_t> drafts() const noexcept { return sources_[chosen_].drafts; }
  // In the order in which they were added; of the running cycle.
  size_t chosen() const noexcept { return chosen_; }
  DraftKind chosen_kind() const noexcept { return sources_[chosen_].kind; }
  int n_to_verify(const Company& company = {}) noexcept;  // of the drafts, the first so many
  double expected_tokens(int n_verified) const noexcept;  // of the cycle
  // The trunk's token where the drafts have number n, in ascending order, as far as the drafts were right; and for the
  // one after the last that was verified.
  void saw(Ctx& ctx, int n, int32_t token) noexcept;
  void end_cycle(int n_verified, int n_tokens, double draft_ms, double verify_ms) noexcept;

 private:
  struct Source {
    Drafter* drafter;
    int max_draft;
    DraftKind kind;
    std::optional<DraftController> controller;
    std::vector<int32_t> drafts;  // of the running cycle
    bool right = true;            // all of them so far
    bool begun = false, gave_up = false;

    bool free_drafts() const noexcept { return kind == DraftKind::kFree; }
  };
  void begin(Ctx& ctx, Source& source) noexcept;
  bool wants_draft(const Source& source) const noexcept;
  bool takes(Source& source, const Draft& draft) noexcept;
  void begin_draft(Source& source) noexcept;
  void begin_first_that_has_any(Ctx& ctx, size_t first) noexcept;

  StepCosts* costs_;
  DraftFilter* filter_ = nullptr;
  std::vector<Source> sources_;
  size_t chosen_ = 0;
  // of the running cycle
  std::span<const int32_t> tokens_;
  int limit_ = 0;
};

}  // namespace nextn
