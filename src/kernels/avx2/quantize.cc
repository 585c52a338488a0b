// Activations to 8 bits, four registers to a block; scalar/quantize.cc defines the numbers.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/fp16.h"
#include "kernels/avx2/functions.h"

namespace nextn::avx2 {

void quantize(const float* x, int64_t k, int8_t* q, float* scale, int32_t* sum) {
  const __m256i no_sign = _mm256_set1_epi32(0x7fffffff);
  for (int64_t b = 0; b < k / kActBlock; b++, x += kActBlock, q += kActBlock, sum += 2) {
    __m256i amax8 = _mm256_setzero_si256();
    for (int i = 0; i < 4; i++) {
      amax8 = _mm256_max_epu32(amax8, _mm256_and_si256(_mm256_castps_si256(_mm256_loadu_ps(x + 8 * i)), no_sign));
    }
    __m128i amax4 = _mm_max_epu32(_mm256_castsi256_si128(amax8), _mm256_extracti128_si256(amax8, 1));
    amax4 = _mm_max_epu32(amax4, _mm_shuffle_epi32(amax4, 0x4e));
    amax4 = _mm_max_epu32(amax4, _mm_shuffle_epi32(amax4, 0xb1));
    const uint32_t amax_bits = static_cast<uint32_t>(_mm_cvtsi128_si32(amax4));
    const float amax = float_from_bits(amax_bits), inverse = 127.0f / amax;
    const bool finite = amax_bits < 0x7f800000u;
    if (!finite || bits_of_float(inverse) >= 0x7f800000u) {
      scale[b] = finite ? 0.0f : float_from_bits(0x7fc00000u);
      std::memset(q, 0, kActBlock);
      sum[0] = sum[1] = 0;
      continue;
    }
    scale[b] = amax / 127.0f;
    for (int i = 0; i < 2; i++) {
      const __m256 by = _mm256_set1_ps(inverse);
      const __m256i q0 = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 16 * i), by));
      const __m256i q1 = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 16 * i + 8), by));
      const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(q0, q1), 0xd8);
      const __m256i held = _mm256_max_epi16(_mm256_min_epi16(words, _mm256_set1_epi16(127)), _mm256_set1_epi16(-127));
      const __m128i low = _mm256_castsi256_si128(held), high = _mm256_extracti128_si256(held, 1);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(q + 16 * i), _mm_packs_epi16(low, high));
      __m128i four = _mm_madd_epi16(_mm_add_epi16(low, high), _mm_set1_epi16(1));
      four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
      sum[i] = _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
    }
  }
}

}  // namespace nextn::avx2
