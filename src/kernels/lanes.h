// The order of most float sums, the same on every instruction set: 16 virtual lanes, folded as a tree. And the
// constants of the one exp that all of them share. Included by files built for different instruction sets: plain
// statics only.
#pragma once

namespace nextn {

constexpr int kLanes = 16;

// lane l + lane l + 8, then + 4, + 2, + 1.
static inline float fold_lanes(const float* lane) {
  float a[8];
  for (int i = 0; i < 8; i++) a[i] = lane[i] + lane[i + 8];
  for (int i = 0; i < 4; i++) a[i] = a[i] + a[i + 4];
  return (a[0] + a[2]) + (a[1] + a[3]);
}

// exp(x) = 2^n exp(r), n = round(x / ln 2), r = x - n ln 2 in two steps, exp(r) by a polynomial of degree 6 in Horner's
// scheme; relative error below 2.5e-7 on [kExpLow, kExpHigh], to which x is clamped. NaN stays NaN.
constexpr float kExpLow = -87.0f, kExpHigh = 88.0f;
constexpr float kLog2E = 1.44269504088896341f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
constexpr float kRoundMagic =
    12582912.0f;  // 1.5 * 2^23: adding and subtracting it rounds to the nearest integer, ties to even
constexpr float kExp6 = 1.0f / 720, kExp5 = 1.0f / 120, kExp4 = 1.0f / 24, kExp3 = 1.0f / 6, kExp2 = 0.5f;

}  // namespace nextn
