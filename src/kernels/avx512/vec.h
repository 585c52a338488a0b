// Sixteen float lanes in one zmm register: the vocabulary that kernels/simd is written in.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/lanes.h"

namespace nextn::avx512 {

constexpr int kVecRegisters = 1;                   // of a Vec
constexpr int kAttendSums = 16, kAttendHeads = 4;  // at once in attention

struct Vec {
  __m512 v;
};

static inline Vec load(const float* p) {
  return {_mm512_loadu_ps(p)};
}
// Into the first-level cache, 16 floats' line.
static inline void prefetch(const float* p) {
  _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0);
}
// To the second level of cache only.
static inline void prefetch_far(const float* p) {
  _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T1);
}
static inline void store(float* p, Vec a) {
  _mm512_storeu_ps(p, a.v);
}
// The first n < 16 lanes; the others are zero.
static inline Vec load_part(const float* p, int n) {
  return {_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p)};
}
static inline void store_part(float* p, Vec a, int n) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), a.v);
}
static inline Vec load_half(const uint8_t* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
static inline Vec load_bf16(const uint8_t* p) {
  const __m512i words = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(words, 16))};
}
static inline Vec load_int8(const uint8_t* p) {
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
}
static inline float half_to_float(const uint8_t* p) {
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_loadu_si16(p)));
}

static inline Vec splat(float x) {
  return {_mm512_set1_ps(x)};
}
static inline Vec zero() {
  return {_mm512_setzero_ps()};
}
static inline Vec add(Vec a, Vec b) {
  return {_mm512_add_ps(a.v, b.v)};
}
static inline Vec sub(Vec a, Vec b) {
  return {_mm512_sub_ps(a.v, b.v)};
}
static inline Vec mul(Vec a, Vec b) {
  return {_mm512_mul_ps(a.v, b.v)};
}
static inline Vec div(Vec a, Vec b) {
  return {_mm512_div_ps(a.v, b.v)};
}
static inline Vec fma(Vec a, Vec b, Vec c) {
  return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}
// a > b ? a : b, so b where one of them is NaN.
static inline Vec greater(Vec a, Vec b) {
  return {_mm512_max_ps(a.v, b.v)};
}
static inline Vec lesser(Vec a, Vec b) {
  return {_mm512_min_ps(a.v, b.v)};
}
// p * 2^n for an integer n that was rounded by adding kRoundMagic: t is the sum before the magic was taken off again.
static inline Vec scale_by_power(Vec p, Vec t) {
  const __m512i n = _mm512_sub_epi32(_mm512_castps_si512(t.v), _mm512_castps_si512(_mm512_set1_ps(kRoundMagic)));
  return {_mm512_mul_ps(p.v, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(n, _mm512_set1_epi32(127)), 23)))};
}
// |a|.
static inline Vec magnitude(Vec a) {
  return {_mm512_abs_ps(a.v)};
}

// The lanes' bits.
struct Bits {
  __m512i v;
};

static inline Bits load_bits(const uint8_t* p) {
  return {_mm512_loadu_si512(p)};
}
// (a << Left >> Right) & mask.
template <int Left, int Right>
static inline Bits shift_and(Bits a, uint32_t mask) {
  return {_mm512_and_si512(_mm512_srli_epi32(_mm512_slli_epi32(a.v, Left), Right),
                           _mm512_set1_epi32(static_cast<int>(mask)))};
}
static inline Bits either(Bits a, Bits b) {
  return {_mm512_or_si512(a.v, b.v)};
}
static inline Vec int_to_float(Bits a) {
  return {_mm512_cvtepi32_ps(a.v)};
}
// a >> 1 with the sign of b in the bit that became free: (b & sign) | a >> 1.
static inline Bits push_sign(Bits a, Vec b) {
  return {_mm512_ternarylogic_epi32(_mm512_castps_si512(b.v), _mm512_set1_epi32(INT32_MIN), _mm512_srli_epi32(a.v, 1),
                                    0xea)};
}
// The uppermost byte of each lane, inverted.
static inline void store_inverse_top_bytes(uint8_t* p, Bits a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm512_cvtepi32_epi8(_mm512_srli_epi32(_mm512_andnot_si512(a.v, _mm512_set1_epi32(-1)), 24)));
}
static inline bool any_nan(Vec a) {
  return _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q) != 0;
}
// One bit for each lane of a that equals b's.
static inline uint32_t equal_mask(Vec a, Vec b) {
  return _mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ);
}

// The tree of fold_lanes.
static inline float fold(Vec a) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// The steps of fold_lanes, lane l + lane l + 8, + 4, + 2, + 1, on two vectors at once: what is left of both fills one.
static inline __m512 fold_halves(__m512 a, __m512 b) {
  const __m512 low = _mm512_shuffle_f32x4(a, b, 0x44), high = _mm512_shuffle_f32x4(a, b, 0xee);
  return _mm512_add_ps(low, high);
}
static inline __m512 fold_quarters(__m512 a, __m512 b) {
  const __m512 even = _mm512_shuffle_f32x4(a, b, 0x88), odd = _mm512_shuffle_f32x4(a, b, 0xdd);
  return _mm512_add_ps(even, odd);
}
static inline __m512 fold_pairs(__m512 a, __m512 b) {
  const __m512d x = _mm512_castps_pd(a), y = _mm512_castps_pd(b);
  return _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)), _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));
}
static inline __m512 fold_last(__m512 a, __m512 b) {
  return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd));
}
// sum[i] = fold of x[i].
static inline void fold_all(const Vec (&x)[16], float* sum) {
  __m512 eight[8], four[4];
  for (int i = 0; i < 8; i++) eight[i] = fold_halves(x[i / 4 * 8 + i % 4].v, x[i / 4 * 8 + i % 4 + 4].v);
  for (int i = 0; i < 4; i++) four[i] = fold_quarters(eight[i], eight[i + 4]);
  _mm512_storeu_ps(sum, fold_last(fold_pairs(four[0], four[1]), fold_pairs(four[2], four[3])));
}

}  // namespace nextn::avx512
