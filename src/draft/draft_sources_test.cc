#include "draft/draft_sources.h"

#include <gtest/gtest.h>

#include "kernels/kernels.h"

namespace nextn {
namespace {

constexpr double kP = 0.9;

// Drafts the ids from `first` on, so sure of each.
class Counting final : public Drafter {
 public:
  Counting(int32_t first, int n, float p = kP) : first_(first), n_(n), p_(p) {}
  void begin(std::span<const int32_t>) noexcept override { at_ = 0; }
  bool next(Ctx&, Draft* draft) noexcept override {
    if (at_ == n_) return false;
    *draft = {first_ + at_++, p_};
    return true;
  }
  void saw(Ctx&, int n, int32_t) noexcept override { n_seen = n + 1; }

  int n_seen = 0;

 private:
  int32_t first_;
  int n_, at_ = 0;
  float p_;
};

class DraftSourcesTest : public testing::Test {
 protected:
  void draft(DraftSources& sources, int limit) {
    sources.begin(ctx_, tokens_, limit);
    while (sources.wants_draft()) {
      Draft draft;
      sources.drafter().next(ctx_, &draft) ? sources.made(ctx_, draft) : sources.made_none(ctx_);
    }
    drafts_ = sources.drafts();
  }
  // What the trunk writes is right for the drafts of the source that begins with `first`.
  void cycle(DraftSources& sources, int32_t first, int limit = 8) {
    draft(sources, limit);
    const int n_verified = sources.n_to_verify();
    int n = 0;
    for (bool right = true; right; n++) {
      sources.saw(ctx_, n, first + n);
      right = n < n_verified && drafts_[static_cast<size_t>(n)] == first + n;
    }
    const double verify_ms = costs_.verify(n_verified + 1);
    sources.end_cycle(n_verified, n, 1, verify_ms);
    costs_.saw_verify(n_verified + 1, verify_ms);
  }
  int32_t first_draft() const { return drafts_.empty() ? -1 : drafts_[0]; }

  ThreadPool pool_{1};
  Ctx ctx_{.kernels = scalar::kernels(), .pool = pool_, .act = {}, .fault = Fault::kNone};
  StepCosts costs_{{10, 11, 12, 13, 14, 15, 16, 17, 18}, {1, 1}};
  std::vector<int32_t> tokens_ = {1, 2, 3};
  std::span<const int32_t> drafts_;
};

TEST_F(DraftSourcesTest, WithoutCostsTheFirstThatHasAny) {
  Counting none(0, 0), some(100, 3), more(200, 9);
  DraftSources sources(nullptr);
  sources.add(none, 8, DraftKind::kFree);
  sources.add(some, 8, DraftKind::kFree);
  sources.add(more, 8, DraftKind::kHead);
  cycle(sources, 100);
  EXPECT_EQ(first_draft(), 100);
  EXPECT_EQ(drafts_.size(), 3u);
  EXPECT_EQ(sources.n_to_verify(), 3);
  EXPECT_EQ(sources.chosen(), 1u);
}

TEST_F(DraftSourcesTest, NobodyDraftsBeyondTheLimitOrItsOwn) {
  Counting drafter(100, 50);
  DraftSources sources(nullptr);
  sources.add(drafter, 8, DraftKind::kHead);
  for (const auto& [limit, n] : {std::pair(5, 5u), {50, 8u}, {0, 0u}}) {
    draft(sources, limit);
    EXPECT_EQ(drafts_.size(), n);
  }
}

TEST_F(DraftSourcesTest, ComesToPreferTheOneThatIsRight) {
  for (const int32_t right : {100, 200}) {
    Counting free(100, 8), model(200, 8);
    DraftSources sources(&costs_);
    sources.add(free, 8, DraftKind::kFree);
    sources.add(model, 8, DraftKind::kHead);
    int n_right = 0;
    for (int i = 0; i < 60; i++) {
      cycle(sources, right);
      if (i >= 30) n_right += first_draft() == right && drafts_.size() > 4;
    }
    EXPECT_GT(n_right, 27) << right;
  }
}

// A head that is right for one text and a draft model that is right for the other: each text gets its own.
TEST_F(DraftSourcesTest, TwoThatCostAStepArePickedByWhatTheyPromise) {
  for (const int32_t right : {100, 200}) {
    Counting head(100, 8), model(200, 8);
    StepCosts costs({10, 11, 12, 13, 14, 15, 16, 17, 18}, {1, 1}, {2, 2});
    DraftSources sources(&costs);
    sources.add(head, 8, DraftKind::kHead);
    sources.add(model, 8, DraftKind::kModel);
    int n_right = 0;
    for (int i = 0; i < 300; i++) {
      cycle(sources, right);
      if (i >= 200 && !drafts_.empty()) n_right += first_draft() == right;
    }
    EXPECT_GT(n_right, 90) << right;
  }
}

TEST_F(DraftSourcesTest, DraftsThatAreMadeAndNotChosenTeachToo) {
  Counting free(100, 8, 0.01f), model(200, 8);
  DraftSources sources(&costs_);
  sources.add(free, 8, DraftKind::kFree);
  sources.add(model, 8, DraftKind::kHead);
  for (int i = 0; i < 40; i++) cycle(sources, 300);
  free.n_seen = 0;
  cycle(sources, 300);
  EXPECT_EQ(free.n_seen, 1);
  EXPECT_EQ(sources.n_to_verify(), 0);
}

// Allows ids below a limit.
class Below final : public DraftFilter {
 public:
  explicit Below(int32_t limit) : limit_(limit) {}
  void begin_draft() noexcept override { n_taken = 0; }
  std::span<const uint32_t> allowed_in_draft() noexcept override { return {}; }
  bool take_draft(int32_t token) noexcept override { return token < limit_ && ++n_taken > 0; }

  int n_taken = 0;

 private:
  int32_t limit_;
};

TEST_F(DraftSourcesTest, DraftsEndBeforeWhatIsForbidden) {
  Counting free(200, 8), model(100, 8);
  Below below(103);
  DraftSources sources(nullptr);
  sources.filter_with(below);
  sources.add(free, 8, DraftKind::kFree);
  sources.add(model, 8, DraftKind::kHead);
  for (int i = 0; i < 2; i++) {
    draft(sources, 8);
    EXPECT_EQ(first_draft(), 100) << "the first that has any";
    EXPECT_EQ(drafts_.size(), 3u);
    EXPECT_EQ(below.n_taken, 3);
  }
}

}  // namespace
}  // namespace nextn
