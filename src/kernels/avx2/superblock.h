// The matmul of a superblock of 256 weights, for the formats that are not in matmul.cc; scalar/matmul.cc defines the
// numbers. What a format says:
//
//   Scales(super)            what is unpacked once for a superblock
//   Sub<P>(super, scales, b) sub-block b of 32 inputs, P = b mod kParts:
//     size(g, h)             group g of half h of the rows, unsigned, with kOffset added
//     sign(g, h)             if kSigned: bytes below 0 where the weight is negative, above 0 elsewhere
//     by(i, h)               the integer scale of inputs 16i .. 16i + 15 for each row, in both halves of a lane
//   kRun                     how many groups are added up in 16 bits; 8 only with one scale for all 32
//   kMins, min_pairs(..)     minima of the first and the last 16 inputs in the halves of a lane
//   d(super, h)              the scale of a half
#pragma once

#include "kernels/avx2/tile.h"

namespace nextn::avx2 {

// Byte r of 8 in both halves of lane r, as it is.
NEXTN_INLINE __m256i row_bytes(const uint8_t* p) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
// 16-bit unit r of 8 in lane r.
NEXTN_INLINE __m256i row_units(const uint8_t* p) {
  return _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
// 2x + 1 in both halves of each lane, of numbers below 2^15.
NEXTN_INLINE __m256i odd_scale(__m256i x) {
  const __m256i odd = _mm256_or_si256(_mm256_slli_epi32(x, 1), _mm256_set1_epi32(1));
  return _mm256_or_si256(odd, _mm256_slli_epi32(odd, 16));
}
NEXTN_INLINE __m256i shift_right(__m256i x, int n) {
  return _mm256_srl_epi32(x, _mm_cvtsi32_si128(n));
}
// The low nibble of byte r, or the high one, in lane r.
NEXTN_INLINE __m256i row_nibbles(const uint8_t* p, int high) {
  return _mm256_and_si256(shift_right(row_bytes(p), 4 * high), _mm256_set1_epi32(15));
}

// As sum_signed_pairs of tile.h, for weights whose sizes and signs come apart.
template <int M, class Sub>
NEXTN_INLINE void sum_sized_pairs(Sub& w, const int8_t* q, int64_t k, int first, int last, Ints<M>& sums) {
  NEXTN_UNROLL
  for (int g = first; g < last; g++) {
    __m256i size[2], sign[2];
    NEXTN_UNROLL
    for (int h = 0; h < 2; h++) size[h] = w.size(g, h), sign[h] = w.sign(g, h);
    NEXTN_UNROLL
    for (int m = 0; m < M; m++) {
      const __m256i x = four_at(q + m * k + 4 * g);
      NEXTN_UNROLL
      for (int h = 0; h < 2; h++) {
        const __m256i pairs = _mm256_maddubs_epi16(size[h], _mm256_sign_epi8(x, sign[h]));
        sums[m][h] = g == first ? pairs : _mm256_add_epi16(sums[m][h], pairs);
        in_order(sums[m][h]);
      }
    }
  }
}

// The sums of 16 activations, times `by`.
template <int M>
NEXTN_INLINE void scale_sums(const ActRows& act, int64_t k, int64_t at, int by, int16_t (&sums)[M][16]) {
  NEXTN_UNROLL
  for (int m = 0; m < M; m++) {
    _mm256_storeu_si256(
        reinterpret_cast<__m256i*>(sums[m]),
        _mm256_mullo_epi16(load(act.sum + (m * k + at) / 16), _mm256_set1_epi16(static_cast<int16_t>(by))));
  }
}

// total += sub-block b.
template <class Format, int M, int P>
NEXTN_INLINE void add_sub_block(const uint8_t* super, const typename Format::Scales& scales,
                                const int16_t (&bias)[M][16], int b, const ActRows& act, int64_t k, int64_t at,
                                Ints<M>& total) {
  typename Format::template Sub<P> w(super, scales, b);
  prefetch<Format::kBytes, 8>(super, b);
  const int8_t* q = act.q + at + b * 32;
  Ints<M> pairs;
  __m256i by[2];
  if constexpr (Format::kOffset != 0) {
    NEXTN_UNROLL
    for (int h = 0; h < 2; h++) by[h] = _mm256_blend_epi16(w.by(0, h), w.by(1, h), 0xaa);
    add_sums<M>(by, bias[0] + 2 * b, 16, total);
  }
  NEXTN_UNROLL
  for (int g = 0; g < kGroups; g += Format::kRun) {
    NEXTN_UNROLL
    for (int h = 0; h < 2; h++) by[h] = w.by(g / 4, h);
    if constexpr (Format::kSigned) {
      sum_sized_pairs<M>(w, q, k, g, g + Format::kRun, pairs);
    } else {
      sum_pairs<M>([&](int group, int h) { return w.size(group, h); }, q, k, g, g + Format::kRun, pairs);
    }
    widen<M>(pairs, by, total);
  }
}

template <class Format, int M>
NEXTN_INLINE void add_superblock(const uint8_t* super, const ActRows& act, int64_t k, int64_t at, Sums<M>& acc) {
  const typename Format::Scales scales(super);
  int16_t bias[M][16];
  if constexpr (Format::kOffset != 0) scale_sums<M>(act, k, at, -Format::kOffset, bias);
  Ints<M> total;
  clear<M>(total);
  if constexpr (Format::kParts == 1) {
    for (int b = 0; b < 8; b++) add_sub_block<Format, M, 0>(super, scales, bias, b, act, k, at, total);
  } else {
    for (int b = 0; b < 8; b += Format::kParts) {
      add_sub_block<Format, M, 0>(super, scales, bias, b, act, k, at, total);
      add_sub_block<Format, M, 1>(super, scales, bias, b + 1, act, k, at, total);
      add_sub_block<Format, M, 2>(super, scales, bias, b + 2, act, k, at, total);
      add_sub_block<Format, M, 3>(super, scales, bias, b + 3, act, k, at, total);
      if constexpr (Format::kParts == 8) {
        add_sub_block<Format, M, 4>(super, scales, bias, b + 4, act, k, at, total);
        add_sub_block<Format, M, 5>(super, scales, bias, b + 5, act, k, at, total);
        add_sub_block<Format, M, 6>(super, scales, bias, b + 6, act, k, at, total);
        add_sub_block<Format, M, 7>(super, scales, bias, b + 7, act, k, at, total);
      }
    }
  }
  const float* const a = act.scale + at / 32;
  const __m256 d[2] = {Format::d(super, 0), Format::d(super, 1)};
  add_scaled<M>(total, a, k / 32, d, acc);
  if constexpr (Format::kMins) {
    clear<M>(total);
    for (int b = 0; b < 8; b++) {
      const __m256i pairs[2] = {Format::min_pairs(super, b, 0), Format::min_pairs(super, b, 1)};
      add_sums<M>(pairs, act.sum + at / 16 + 2 * b, k / 16, total);
    }
    const __m256 sign = _mm256_set1_ps(-0.0f);
    const __m256 dmin[2] = {_mm256_xor_ps(Format::dmin(super, 0), sign), _mm256_xor_ps(Format::dmin(super, 1), sign)};
    add_scaled<M>(total, a, k / 32, dmin, acc);
  }
}

// What most of these formats are like.
template <class Format>
struct Super {
  static constexpr int kInputs = 256, kOffset = 0, kRun = 4, kParts = 1;
  static constexpr bool kSigned = false, kMins = false;

  struct Scales {
    NEXTN_INLINE_MEMBER explicit Scales(const uint8_t*) {}
  };

  NEXTN_INLINE __m256 d(const uint8_t* super, int h) { return halves_at(super + h * 16); }

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* super, const ActRows& act, int64_t k, int64_t at, Sums<M>& acc) {
    add_superblock<Format, M>(super, act, k, at, acc);
  }
};

}  // namespace nextn::avx2
