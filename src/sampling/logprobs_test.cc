#include "sampling/logprobs.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace nextn {
namespace {

TEST(TopLogprobs, AreTheSoftmaxInDescendingOrder) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 4);
  std::vector<float> logits(1003);
  for (float& l : logits) l = normal(random);
  double sum = 0;
  for (const float l : logits) sum += std::exp(static_cast<double>(l));
  const std::vector<TokenLogprob> top = top_logprobs(logits.data(), 1003, 20, 7);
  ASSERT_EQ(top.size(), 21u);
  EXPECT_EQ(top.back().token, 7);
  for (const TokenLogprob& t : top) {
    EXPECT_NEAR(t.logprob, static_cast<double>(logits[static_cast<size_t>(t.token)]) - std::log(sum), 1e-5);
  }
  for (size_t i = 1; i < 20; i++) EXPECT_GE(top[i - 1].logprob, top[i].logprob);
  EXPECT_EQ(logits[static_cast<size_t>(top[0].token)], *std::max_element(logits.begin(), logits.end()));
}

TEST(TopLogprobs, TiesGoToTheLowerIdAndBannedTokensHaveNone) {
  const std::vector<float> logits = {1, 3, 3, -INFINITY};
  const std::vector<TokenLogprob> top = top_logprobs(logits.data(), 4, 9, 3);
  ASSERT_EQ(top.size(), 5u);
  EXPECT_EQ(top[0].token, 1);
  EXPECT_EQ(top[1].token, 2);
  EXPECT_EQ(top[4].token, 3);
  EXPECT_EQ(top[4].logprob, -INFINITY);
}

}  // namespace
}  // namespace nextn
