// Sine and cosine of rotary angles in plain double arithmetic: the same bits on every machine, which libm does not
// promise.
#pragma once

namespace nextn {

struct SinCos {
  double sin, cos;
};

// |x| up to 1e6; absolute error below 1e-14.
SinCos sincos(double x) noexcept;

}  // namespace nextn
