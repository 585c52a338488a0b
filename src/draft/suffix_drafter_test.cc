#include "draft/suffix_drafter.h"

#include <gtest/gtest.h>

#include <random>

#include "kernels/kernels.h"

namespace nextn {
namespace {

constexpr int kContext = 4096;

class SuffixDrafterTest : public testing::Test {
 protected:
  std::vector<int32_t> drafts(SuffixDrafter& drafter, const std::vector<int32_t>& text, int n, float* p = nullptr) {
    drafter.begin(text);
    std::vector<int32_t> out;
    for (Draft draft; static_cast<int>(out.size()) < n && drafter.next(ctx_, &draft);) {
      out.push_back(draft.token);
      if (p != nullptr) *p = draft.p;
    }
    return out;
  }
  std::vector<int32_t> fresh(const std::vector<int32_t>& text, int n, float* p = nullptr) {
    SuffixDrafter drafter(kContext);
    return drafts(drafter, text, n, p);
  }

  ThreadPool pool_{1};
  Ctx ctx_{.kernels = scalar::kernels(), .pool = pool_, .act = {}, .fault = Fault::kNone};
};

// What the drafter promises, the slow way: the latest of the longest matches, at least kMinMatch tokens.
std::vector<int32_t> expected(const std::vector<int32_t>& text, int n) {
  const int last = static_cast<int>(text.size()) - 1;
  int longest = SuffixDrafter::kMinMatch - 1, from = 0;
  for (int at = last - 1; at >= 0; at--) {
    int length = 0;
    while (length <= at && length < SuffixDrafter::kMaxMatch &&
           text[static_cast<size_t>(at - length)] == text[static_cast<size_t>(last - length)]) {
      length++;
    }
    if (length > longest) {
      longest = length;
      from = at + 1;
    }
  }
  std::vector<int32_t> whole = text;
  for (int i = 0; from > 0 && i < n; i++) whole.push_back(whole[static_cast<size_t>(from + i)]);
  return {whole.begin() + last + 1, whole.end()};
}

TEST_F(SuffixDrafterTest, DraftsWhatFollowedTheLongestMatch) {
  EXPECT_EQ(fresh({1, 2, 3, 7, 9, 2, 3, 7, 8, 5, 1, 2, 3, 7}, 3), (std::vector<int32_t>{9, 2, 3}));
  // of two that are as long, the later one
  EXPECT_EQ(fresh({1, 2, 3, 4, 1, 2, 3, 5, 1, 2, 3}, 2), (std::vector<int32_t>{5, 1}));
}

TEST_F(SuffixDrafterTest, HasNothingWhereTooLittleStoodBefore) {
  EXPECT_TRUE(fresh({}, 4).empty());
  EXPECT_TRUE(fresh({1, 2}, 4).empty());
  EXPECT_TRUE(fresh({5, 1, 2, 6, 1, 2}, 4).empty());
}

TEST_F(SuffixDrafterTest, GoesRoundInALoop) {
  EXPECT_EQ(fresh({1, 2, 1, 2, 1, 2}, 5), (std::vector<int32_t>{1, 2, 1, 2, 1}));
  EXPECT_EQ(fresh({4, 4, 4, 4}, 3), (std::vector<int32_t>{4, 4, 4}));
}

TEST_F(SuffixDrafterTest, IsSurerOfALongerMatch) {
  float shorter = 0, longer = 0;
  fresh({1, 2, 3, 9, 1, 2, 3}, 1, &shorter);
  fresh({1, 2, 3, 4, 5, 6, 9, 1, 2, 3, 4, 5, 6}, 1, &longer);
  EXPECT_GT(shorter, 0);
  EXPECT_GT(longer, shorter);
  EXPECT_LT(longer, 1);
}

TEST_F(SuffixDrafterTest, FindsTheSameInATextThatGrowsAsInAWholeOne) {
  std::mt19937 random(1);
  std::vector<int32_t> text;
  SuffixDrafter drafter(kContext);
  int n_found = 0;
  while (text.size() < 600) {
    // a few ids, so that much repeats, and now and then a longer copy
    for (uint32_t n = 1 + random() % 4; n > 0; n--) text.push_back(static_cast<int32_t>(random() % 6));
    if (random() % 8 == 0 && text.size() > 40) {
      const size_t at = random() % (text.size() - 30);
      for (size_t i = 0; i < 25; i++) text.push_back(text[at + i]);
    }
    const std::vector<int32_t> found = drafts(drafter, text, 8);
    EXPECT_EQ(found, expected(text, 8)) << "after " << text.size() << " tokens";
    n_found += !found.empty();
  }
  EXPECT_GT(n_found, 50);
}

}  // namespace
}  // namespace nextn
