// The few statistics that a paired measurement needs. Medians, because a neighbour on the machine makes outliers; the
// bounds by bootstrap with a fixed seed, so that the same runs always give the same bounds.
#pragma once

#include <span>

namespace nextn {

// The value that a share q of the values lies below, between neighbours linearly. 0 of nothing.
double quantile(std::span<const double> values, double q);
inline double median(std::span<const double> values) {
  return quantile(values, 0.5);
}

struct Bounds {
  double low = 0, high = 0;
};
// Percentile bootstrap of the median: the middle 95 % of the medians of resampled values.
Bounds median_bounds(std::span<const double> values);

}  // namespace nextn
