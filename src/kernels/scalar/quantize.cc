// Activations to 8 bits, and the definition of its numbers. For a block: amax = max |x|, scale = amax / 127,
// q = round(x * (127 / amax)), ties to even, held to -127..127. Two blocks have all q = 0:
//   amax so small (below 127 / FLT_MAX, about 3.7e-37) that 127 / amax is infinite: scale 0, as for a block of zeros;
//   amax infinite or NaN: scale NaN, which makes every output that reads the block NaN.
#include <cstddef>
#include <cstdint>

#include "base/fp16.h"
#include "kernels/scalar/functions.h"

namespace nextn::scalar {

void quantize(const float* x, int64_t k, int block, int8_t* q, float* scale, int16_t* sum) {
  for (int64_t at = 0; at + block <= k; at += block, x += block, q += block) {
    // The patterns of |x| are ordered as the values are, and a NaN's is the largest of all.
    uint32_t amax_bits = 0;
    for (int i = 0; i < block; i++) {
      const uint32_t bits = bits_of_float(x[i]) & 0x7fffffffu;
      amax_bits = bits > amax_bits ? bits : amax_bits;
    }
    const float amax = float_from_bits(amax_bits), inverse = 127.0f / amax;
    const bool finite = amax_bits < 0x7f800000u, usable = finite && bits_of_float(inverse) < 0x7f800000u;
    const float s = usable ? amax / 127.0f : finite ? 0.0f : float_from_bits(0x7fc00000u);
    for (int i = 0; i < block / kActBlock; i++) *scale++ = s;
    for (int i = 0; i < block / 16; i++) sum[i] = 0;
    for (int i = 0; i < block; i++) {
      const float rounded = usable ? (x[i] * inverse + 12582912.0f) - 12582912.0f : 0;  // 1.5 * 2^23: to an integer
      const int value = static_cast<int>(rounded);
      q[i] = static_cast<int8_t>(value > 127 ? 127 : value < -127 ? -127 : value);
      sum[i / 16] = static_cast<int16_t>(sum[i / 16] + q[i]);
    }
    sum += block / 16;
  }
}

}  // namespace nextn::scalar
