// The exponential of lanes.h, one value at a time.
#pragma once

#include "base/fp16.h"
#include "kernels/lanes.h"

namespace nextn::scalar {

static inline float exp(float x) {
  x = x < kExpLow ? kExpLow : x > kExpHigh ? kExpHigh : x;
  const float t = __builtin_fmaf(x, kLog2E, kRoundMagic);
  const float n = t - kRoundMagic;
  const float r = __builtin_fmaf(n, -kLn2Low, __builtin_fmaf(n, -kLn2High, x));
  float p = kExp6;
  p = __builtin_fmaf(p, r, kExp5);
  p = __builtin_fmaf(p, r, kExp4);
  p = __builtin_fmaf(p, r, kExp3);
  p = __builtin_fmaf(p, r, kExp2);
  const uint32_t power = (bits_of_float(t) - bits_of_float(kRoundMagic) + 127) << 23;
  return (__builtin_fmaf(p, r * r, r) + 1) * float_from_bits(power);
}

}  // namespace nextn::scalar
