#include "sampling/philox.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

namespace nextn {
namespace {

// The three vectors of Random123's kat_vectors for philox4x32, 10 rounds.
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox4x32_10({0, 0, 0, 0}, 0), (PhiloxBlock{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}));
  const uint32_t f = 0xffffffffu;
  EXPECT_EQ(philox4x32_10({f, f, f, f}, ~uint64_t{0}),
            (PhiloxBlock{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}));
  EXPECT_EQ(philox4x32_10({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, 0x299f31d0a4093822u),
            (PhiloxBlock{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}));
}

TEST(Gumbel, IsFiniteAtBothEnds) {
  EXPECT_NEAR(gumbel_of(0), -std::log(-std::log(0.5 * 0x1p-32)), 1e-12);
  EXPECT_NEAR(gumbel_of(0xffffffffu), -std::log(-std::log1p(-0.5 * 0x1p-32)), 1e-9);
  EXPECT_LT(gumbel_of(0xffffffffu), 22.88);
}

TEST(Gumbel, IsAFunctionOfTheFourAlone) {
  for (int32_t token = 0; token < 9; token++) {
    const PhiloxBlock block = philox4x32_10({static_cast<uint32_t>(token) / 4, 2, 7, 1}, 99);
    EXPECT_EQ(gumbel(99, (int64_t{1} << 32) + 7, token, 2), gumbel_of(block[token % 4]));
  }
  std::set<double> seen;
  for (uint64_t seed : {0, 1}) {
    for (int64_t position : {0, 1, 2}) {
      for (int32_t token = 0; token < 50; token++) {
        for (uint32_t choice : {0, 1}) seen.insert(gumbel(seed, position, token, choice));
      }
    }
  }
  EXPECT_EQ(seen.size(), 2u * 3 * 50 * 2);
}

// Kolmogorov-Smirnov distance from F(x) = exp(-exp(-x)), times sqrt(n). Above 2.7 has probability 1e-6.
double ks(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  const double n = static_cast<double>(x.size());
  double worst = 0;
  for (size_t i = 0; i < x.size(); i++) {
    const double f = std::exp(-std::exp(-x[i]));
    worst = std::max({worst, std::abs(f - i / n), std::abs((i + 1) / n - f)});
  }
  return worst * std::sqrt(n);
}

TEST(Gumbel, HasTheLaw) {
  std::vector<double> over_positions, over_tokens, over_seeds, over_choices;
  for (int i = 0; i < 200'000; i++) {
    over_positions.push_back(gumbel(5, i, 17, 0));
    over_tokens.push_back(gumbel(5, 1000, i, 0));
    over_seeds.push_back(gumbel(i, 3, 18, 0));
    over_choices.push_back(gumbel(5, 3, 19, i));
  }
  EXPECT_LT(ks(over_positions), 2.7);
  EXPECT_LT(ks(over_tokens), 2.7);
  EXPECT_LT(ks(over_seeds), 2.7);
  EXPECT_LT(ks(over_choices), 2.7);
}

TEST(Gumbel, NeighboursAreUncorrelated) {
  const int n = 200'000;
  const double mean = 0.5772156649, variance = 1.6449340668;
  double tokens = 0, positions = 0, choices = 0;
  for (int i = 0; i < n; i++) {
    const double here = gumbel(1, i, 6, 0) - mean;
    tokens += here * (gumbel(1, i, 7, 0) - mean);
    positions += here * (gumbel(1, i + 1, 6, 0) - mean);
    choices += here * (gumbel(1, i, 6, 1) - mean);
  }
  const double bound = 5 * variance * std::sqrt(n);
  EXPECT_LT(std::abs(tokens), bound);
  EXPECT_LT(std::abs(positions), bound);
  EXPECT_LT(std::abs(choices), bound);
}

}  // namespace
}  // namespace nextn
