#include "base/sincos.h"

#include <cstdint>

namespace nextn {

// x = k pi/2 + r with pi/2 in two parts, the first of them short enough that k times it is exact; then Taylor's series
// on |r| <= pi/4, to r^15 and r^16.
SinCos sincos(double x) noexcept {
  constexpr double kTwoOverPi = 0.63661977236758134308;
  constexpr double kHalfPiHigh = 1.57079632673412561417, kHalfPiLow = 6.07710050650619224932e-11;
  const double shifted = x * kTwoOverPi + 6755399441055744.0;  // 1.5 * 2^52: rounds to the nearest integer
  const double k = shifted - 6755399441055744.0;
  const double r = (x - k * kHalfPiHigh) - k * kHalfPiLow, z = r * r;

  double s = -1.0 / 1307674368000;
  s = s * z + 1.0 / 6227020800;
  s = s * z - 1.0 / 39916800;
  s = s * z + 1.0 / 362880;
  s = s * z - 1.0 / 5040;
  s = s * z + 1.0 / 120;
  s = s * z - 1.0 / 6;
  s = s * z * r + r;

  double c = 1.0 / 20922789888000;
  c = c * z - 1.0 / 87178291200;
  c = c * z + 1.0 / 479001600;
  c = c * z - 1.0 / 3628800;
  c = c * z + 1.0 / 40320;
  c = c * z - 1.0 / 720;
  c = c * z + 1.0 / 24;
  c = c * z - 0.5;
  c = c * z + 1;

  switch (static_cast<int64_t>(k) & 3) {
    case 0:
      return {s, c};
    case 1:
      return {c, -s};
    case 2:
      return {-s, -c};
    default:
      return {-c, s};
  }
}

}  // namespace nextn
