#include "engine/bench_stats.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace nextn {

namespace {

double quantile_of_sorted(std::span<const double> sorted, double q) {
  if (sorted.empty()) return 0;
  const double at = q * static_cast<double>(sorted.size() - 1);
  const size_t below = static_cast<size_t>(at), above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], at - static_cast<double>(below));
}

}  // namespace

double quantile(std::span<const double> values, double q) {
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  return quantile_of_sorted(sorted, q);
}

Bounds median_bounds(std::span<const double> values) {
  constexpr int kResamples = 2000;
  constexpr uint32_t kSeed = 1;
  if (values.empty()) return {};
  std::mt19937 random(kSeed);
  std::vector<double> medians(kResamples), resample(values.size());
  for (double& m : medians) {
    // The generator's own numbers, since what a distribution makes of them is the library's choice.
    for (double& value : resample) value = values[random() % values.size()];
    std::sort(resample.begin(), resample.end());
    m = quantile_of_sorted(resample, 0.5);
  }
  std::sort(medians.begin(), medians.end());
  return {quantile_of_sorted(medians, 0.025), quantile_of_sorted(medians, 0.975)};
}

}  // namespace nextn
