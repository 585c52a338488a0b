// Sixteen float lanes in two ymm registers: the vocabulary that kernels/simd is written in.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/lanes.h"

namespace nextn::avx2 {

constexpr int kVecRegisters = 2;                  // of a Vec
constexpr int kAttendSums = 4, kAttendHeads = 4;  // at once in attention

struct Vec {
  __m256 lo, hi;
};

static inline Vec load(const float* p) {
  return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
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
  _mm256_storeu_ps(p, a.lo);
  _mm256_storeu_ps(p + 8, a.hi);
}
// The first n < 16 lanes; the others are zero.
static inline Vec load_part(const float* p, int n) {
  float lane[kLanes] = {};
  std::memcpy(lane, p, static_cast<unsigned>(n) * sizeof(float));
  return load(lane);
}
static inline void store_part(float* p, Vec a, int n) {
  float lane[kLanes];
  store(lane, a);
  std::memcpy(p, lane, static_cast<unsigned>(n) * sizeof(float));
}
static inline Vec load_half(const uint8_t* p) {
  return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
          _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 16)))};
}
static inline Vec load_bf16(const uint8_t* p) {
  const auto eight = [](const uint8_t* from) {
    const __m256i words = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(words, 16));
  };
  return {eight(p), eight(p + 16)};
}
static inline Vec load_int8(const uint8_t* p) {
  const __m128i q = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(q)), _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(q, 8)))};
}
static inline float half_to_float(const uint8_t* p) {
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_loadu_si16(p)));
}

static inline Vec splat(float x) {
  return {_mm256_set1_ps(x), _mm256_set1_ps(x)};
}
static inline Vec zero() {
  return {_mm256_setzero_ps(), _mm256_setzero_ps()};
}
static inline Vec add(Vec a, Vec b) {
  return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}
static inline Vec sub(Vec a, Vec b) {
  return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}
static inline Vec mul(Vec a, Vec b) {
  return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}
static inline Vec div(Vec a, Vec b) {
  return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}
static inline Vec fma(Vec a, Vec b, Vec c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
// a > b ? a : b, so b where one of them is NaN.
static inline Vec greater(Vec a, Vec b) {
  return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)};
}
static inline Vec lesser(Vec a, Vec b) {
  return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)};
}

static inline __m256 scale_eight_by_power(__m256 p, __m256 t) {
  const __m256i n = _mm256_sub_epi32(_mm256_castps_si256(t), _mm256_castps_si256(_mm256_set1_ps(kRoundMagic)));
  return _mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23)));
}
// p * 2^n for an integer n that was rounded by adding kRoundMagic: t is the sum before the magic was taken off again.
static inline Vec scale_by_power(Vec p, Vec t) {
  return {scale_eight_by_power(p.lo, t.lo), scale_eight_by_power(p.hi, t.hi)};
}
// |a|.
static inline Vec magnitude(Vec a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)};
}

// The lanes' bits.
struct Bits {
  __m256i lo, hi;
};

static inline Bits load_bits(const uint8_t* p) {
  const __m256i* const words = reinterpret_cast<const __m256i*>(p);
  return {_mm256_loadu_si256(words), _mm256_loadu_si256(words + 1)};
}
// (a << Left >> Right) & mask.
template <int Left, int Right>
static inline Bits shift_and(Bits a, uint32_t mask) {
  const auto one = [&](__m256i x) {
    return _mm256_and_si256(_mm256_srli_epi32(_mm256_slli_epi32(x, Left), Right),
                            _mm256_set1_epi32(static_cast<int>(mask)));
  };
  return {one(a.lo), one(a.hi)};
}
static inline Bits either(Bits a, Bits b) {
  return {_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)};
}
static inline Vec int_to_float(Bits a) {
  return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)};
}
// a >> 1 with the sign of b in the bit that became free.
static inline Bits push_sign(Bits a, Vec b) {
  const auto one = [](__m256i x, __m256 y) {
    return _mm256_or_si256(_mm256_srli_epi32(x, 1),
                           _mm256_and_si256(_mm256_castps_si256(y), _mm256_set1_epi32(INT32_MIN)));
  };
  return {one(a.lo, b.lo), one(a.hi, b.hi)};
}
// The uppermost byte of each lane, inverted.
static inline void store_inverse_top_bytes(uint8_t* p, Bits a) {
  const auto top = [](__m256i x) { return _mm256_srli_epi32(_mm256_andnot_si256(x, _mm256_set1_epi32(-1)), 24); };
  const __m256i words = _mm256_packus_epi32(top(a.lo), top(a.hi));
  const __m256i in_order = _mm256_permute4x64_epi64(words, 0xd8);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm_packus_epi16(_mm256_castsi256_si128(in_order), _mm256_extracti128_si256(in_order, 1)));
}
static inline bool any_nan(Vec a) {
  return _mm256_movemask_ps(
             _mm256_or_ps(_mm256_cmp_ps(a.lo, a.lo, _CMP_UNORD_Q), _mm256_cmp_ps(a.hi, a.hi, _CMP_UNORD_Q))) != 0;
}
// One bit for each lane of a that equals b's.
static inline uint32_t equal_mask(Vec a, Vec b) {
  return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a.lo, b.lo, _CMP_EQ_OQ))) |
         static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a.hi, b.hi, _CMP_EQ_OQ))) << 8;
}

// The tree of fold_lanes.
static inline float fold(Vec a) {
  const __m256 eight = _mm256_add_ps(a.lo, a.hi);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static inline __m128 fold_to_four(Vec a) {
  const __m256 eight = _mm256_add_ps(a.lo, a.hi);
  return _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
}
// sum[i] = fold of x[i].
static inline void fold_all(const Vec (&x)[4], float* sum) {
  const __m128 a = fold_to_four(x[0]), b = fold_to_four(x[1]), c = fold_to_four(x[2]), d = fold_to_four(x[3]);
  const __m128 ab = _mm_add_ps(_mm_movelh_ps(a, b), _mm_movehl_ps(b, a));
  const __m128 cd = _mm_add_ps(_mm_movelh_ps(c, d), _mm_movehl_ps(d, c));
  _mm_storeu_ps(sum, _mm_add_ps(_mm_shuffle_ps(ab, cd, 0x88), _mm_shuffle_ps(ab, cd, 0xdd)));
}

}  // namespace nextn::avx2
