// Activations to 8 bits; scalar/quantize.cc defines the numbers.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/fp16.h"
#include "kernels/avx2/functions.h"

namespace nextn::avx2 {

void quantize(const float* x, int64_t k, int block, int8_t* q, float* scale, int16_t* sum) {
  const __m256i no_sign = _mm256_set1_epi32(0x7fffffff);
  for (int64_t at = 0; at + block <= k; at += block, x += block, q += block, sum += block / 16) {
    __m256i amax8 = _mm256_setzero_si256();
    for (int i = 0; i < block; i += 8) {
      amax8 = _mm256_max_epu32(amax8, _mm256_and_si256(_mm256_castps_si256(_mm256_loadu_ps(x + i)), no_sign));
    }
    __m128i amax4 = _mm_max_epu32(_mm256_castsi256_si128(amax8), _mm256_extracti128_si256(amax8, 1));
    amax4 = _mm_max_epu32(amax4, _mm_shuffle_epi32(amax4, 0x4e));
    amax4 = _mm_max_epu32(amax4, _mm_shuffle_epi32(amax4, 0xb1));
    const uint32_t amax_bits = static_cast<uint32_t>(_mm_cvtsi128_si32(amax4));
    const float amax = float_from_bits(amax_bits), inverse = 127.0f / amax;
    const bool finite = amax_bits < 0x7f800000u, usable = finite && bits_of_float(inverse) < 0x7f800000u;
    const float s = usable ? amax / 127.0f : finite ? 0.0f : float_from_bits(0x7fc00000u);
    for (int i = 0; i < block / kActBlock; i++) *scale++ = s;
    if (!usable) {
      std::memset(q, 0, static_cast<size_t>(block));
      std::memset(sum, 0, static_cast<size_t>(block) / 16 * sizeof *sum);
      continue;
    }
    const __m256 by = _mm256_set1_ps(inverse);
    for (int i = 0; i < block; i += 16) {
      const __m256i q0 = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i), by));
      const __m256i q1 = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i + 8), by));
      const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(q0, q1), 0xd8);
      const __m256i held = _mm256_max_epi16(_mm256_min_epi16(words, _mm256_set1_epi16(127)), _mm256_set1_epi16(-127));
      const __m128i low = _mm256_castsi256_si128(held), high = _mm256_extracti128_si256(held, 1);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(q + i), _mm_packs_epi16(low, high));
      __m128i four = _mm_madd_epi16(_mm_add_epi16(low, high), _mm_set1_epi16(1));
      four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
      sum[i / 16] = static_cast<int16_t>(_mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1))));
    }
  }
}

}  // namespace nextn::avx2
