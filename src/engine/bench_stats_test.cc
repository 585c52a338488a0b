#include "engine/bench_stats.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace nextn {
namespace {

using Values = std::vector<double>;

TEST(BenchStats, Median) {
  EXPECT_EQ(median(Values{}), 0);
  EXPECT_EQ(median(Values{3}), 3);
  EXPECT_EQ(median(Values{9, 1, 2}), 2);
  EXPECT_EQ(median(Values{4, 1, 100, 2}), 3);
}

TEST(BenchStats, Quantile) {
  const Values values = {50, 10, 40, 20, 30};
  EXPECT_EQ(quantile(values, 0), 10);
  EXPECT_EQ(quantile(values, 0.25), 20);
  EXPECT_DOUBLE_EQ(quantile(values, 0.95), 48);
  EXPECT_EQ(quantile(values, 1), 50);
}

TEST(BenchStats, BoundsOfEqualValuesAreTheValue) {
  const Bounds b = median_bounds(Values(7, 1.25));
  EXPECT_EQ(b.low, 1.25);
  EXPECT_EQ(b.high, 1.25);
  EXPECT_EQ(median_bounds(Values{}).high, 0);
}

TEST(BenchStats, BoundsAreTheSameEveryTime) {
  const Values values = {1.2, 0.9, 1.1, 1.4, 1.0, 1.3};
  const Bounds a = median_bounds(values), b = median_bounds(values);
  EXPECT_EQ(a.low, b.low);
  EXPECT_EQ(a.high, b.high);
  EXPECT_LT(a.low, median(values));
  EXPECT_GT(a.high, median(values));
}

// The bounds hold the true median about as often as they say. A percentile bootstrap of 20 values is a little generous.
TEST(BenchStats, BoundsCoverTheMedian) {
  constexpr int kRuns = 400;
  std::mt19937 random(3);
  std::normal_distribution<double> noise(1.5, 0.1);
  int covered = 0;
  for (int i = 0; i < kRuns; i++) {
    Values values(20);
    for (double& v : values) v = noise(random);
    const Bounds b = median_bounds(values);
    covered += b.low <= 1.5 && 1.5 <= b.high;
  }
  EXPECT_GE(covered, kRuns * 91 / 100);
  EXPECT_LE(covered, kRuns * 99 / 100);
}

}  // namespace
}  // namespace nextn
