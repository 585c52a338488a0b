// Activations to 8 bits; scalar/quantize.cc defines the numbers.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "base/fp16.h"
#include "kernels/avx512/functions.h"

namespace nextn::avx512 {

void quantize(const float* x, int64_t k, int block, int8_t* q, float* scale, int16_t* sum) {
  const __m512i no_sign = _mm512_set1_epi32(0x7fffffff);
  for (int64_t at = 0; at + block <= k; at += block, x += block, q += block) {
    __m512i amax16 = _mm512_setzero_si512();
    for (int i = 0; i < block; i += 16) {
      amax16 = _mm512_max_epu32(amax16, _mm512_and_si512(_mm512_castps_si512(_mm512_loadu_ps(x + i)), no_sign));
    }
    const uint32_t amax_bits = _mm512_reduce_max_epu32(amax16);
    const float amax = float_from_bits(amax_bits), inverse = 127.0f / amax;
    const bool finite = amax_bits < 0x7f800000u, usable = finite && bits_of_float(inverse) < 0x7f800000u;
    const float s = usable ? amax / 127.0f : finite ? 0.0f : float_from_bits(0x7fc00000u);
    for (int i = 0; i < block / kActBlock; i++) *scale++ = s;
    const __mmask16 keep = usable ? 0xffff : 0;
    for (int i = 0; i < block; i += 16) {
      const __m512 scaled = _mm512_mul_ps(_mm512_loadu_ps(x + i), _mm512_set1_ps(inverse));
      const __m512i rounded = _mm512_maskz_cvtps_epi32(keep, scaled);
      const __m512i held = _mm512_max_epi32(_mm512_min_epi32(rounded, _mm512_set1_epi32(127)), _mm512_set1_epi32(-127));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(q + i), _mm512_cvtepi32_epi8(held));
      *sum++ = static_cast<int16_t>(_mm512_reduce_add_epi32(held));
    }
  }
}

}  // namespace nextn::avx512
