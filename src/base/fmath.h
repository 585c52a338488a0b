// exp and log of nextn's own, for the step path: multiplications, additions and bit patterns only, so that the bits are
// the same on every machine, in a vector loop and in its tail. libm promises neither. Plain static functions, so that
// translation units built for different instruction sets may share this header (all are built with -ffp-contract=off).
#pragma once

#include <cstdint>
#include <cstring>

namespace nextn {

// e^x with a relative error below 3e-7. 0 below -86.5 (no denormals), infinity above 88.72, NaN stays NaN.
//
//   x = n ln 2 + r,  n an integer, |r| <= ln(2)/2;      e^x = 2^n sum_{k=0..7} r^k / k!
//
// ln 2 is taken in two parts (Cody and Waite): n times the first, 355/512, is exact. The series left off is under 6e-9.
// 2^n is applied as 2^(n-1) times 2, because n reaches 128.
static inline float exp_f32(float x) {
  const float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves n in the low bits
  const float shifted = x * 1.44269504f + kRound;
  const float n = shifted - kRound;
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  uint32_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits - 0x4b400000u + 126u) << 23;  // 0x4b400000: kRound
  float result;
  std::memcpy(&result, &bits, sizeof result);
  result = p * result * 2.0f;
  // Outside the range all of the above is rubbish. Masks instead of choices: compilers turn the loop into vectors then.
  std::memcpy(&bits, &result, sizeof bits);
  const uint32_t in_range = static_cast<uint32_t>(x < -86.5f) - 1u, too_large = 0u - static_cast<uint32_t>(x > 88.8f);
  bits = (bits & in_range & ~too_large) | (0x7f800000u & too_large);
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

// ln x with a relative error below 1e-14, near x = 1 too. -infinity at 0, NaN below.
//
//   x = 2^e m,  sqrt(1/2) <= m < sqrt(2),  s = (m - 1) / (m + 1),  |s| < 0.172
//   ln x = e ln 2 + 2 s (1 + s^2/3 + s^4/5 + ... + s^18/19)           the series left off is under 3e-17
static inline double log_f64(double x) {
  if (!(x > 0)) return x == 0 ? -__builtin_inf() : __builtin_nan("");
  if (x == __builtin_inf()) return x;
  int e = -1023;
  if (x < 0x1p-1022) {
    x *= 0x1p54;
    e -= 54;
  }
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  e += static_cast<int>(bits >> 52);
  bits = (bits & 0x000fffffffffffffu) | 0x3ff0000000000000u;
  double m;
  std::memcpy(&m, &bits, sizeof m);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    e++;
  }
  const double s = (m - 1) / (m + 1), z = s * s;
  double p = 2.0 / 19;
  p = p * z + 2.0 / 17;
  p = p * z + 2.0 / 15;
  p = p * z + 2.0 / 13;
  p = p * z + 2.0 / 11;
  p = p * z + 2.0 / 9;
  p = p * z + 2.0 / 7;
  p = p * z + 2.0 / 5;
  p = p * z + 2.0 / 3;
  return e * 0x1.62e42fefa38p-1 + (2 * s + (s * z * p + e * 0x1.ef35793c7673p-45));
}

}  // namespace nextn
