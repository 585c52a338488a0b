// Activations to 8 bits, two registers to a block; scalar/quantize.cc defines the numbers.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "base/fp16.h"
#include "kernels/avx512/functions.h"

namespace nextn::avx512 {

void quantize(const float* x, int64_t k, int8_t* q, float* scale, int32_t* sum) {
  const __m512i no_sign = _mm512_set1_epi32(0x7fffffff);
  for (int64_t b = 0; b < k / kActBlock; b++, x += kActBlock, q += kActBlock, sum += 2) {
    const __m512 x0 = _mm512_loadu_ps(x), x1 = _mm512_loadu_ps(x + 16);
    const __m512i abs0 = _mm512_and_si512(_mm512_castps_si512(x0), no_sign);
    const __m512i abs1 = _mm512_and_si512(_mm512_castps_si512(x1), no_sign);
    const uint32_t amax_bits = _mm512_reduce_max_epu32(_mm512_max_epu32(abs0, abs1));
    const float amax = float_from_bits(amax_bits), inverse = 127.0f / amax;
    const bool finite = amax_bits < 0x7f800000u, usable = finite && bits_of_float(inverse) < 0x7f800000u;
    scale[b] = usable ? amax / 127.0f : finite ? 0.0f : float_from_bits(0x7fc00000u);
    const __mmask16 keep = usable ? 0xffff : 0;
    for (int i = 0; i < 2; i++) {
      const __m512i rounded = _mm512_maskz_cvtps_epi32(keep, _mm512_mul_ps(i == 0 ? x0 : x1, _mm512_set1_ps(inverse)));
      const __m512i held = _mm512_max_epi32(_mm512_min_epi32(rounded, _mm512_set1_epi32(127)), _mm512_set1_epi32(-127));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(q + 16 * i), _mm512_cvtepi32_epi8(held));
      sum[i] = _mm512_reduce_add_epi32(held);
    }
  }
}

}  // namespace nextn::avx512
