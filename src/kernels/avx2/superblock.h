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

// Two 16-bit numbers as the factors of VPMADDWD for all lanes.
NEXTN_INLINE __m256i pair_at(const int16_t* two) {
  int32_t pair;
  std::memcpy(&pair, two, sizeof pair);
  return _mm256_set1_epi32(pair);
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

// sums: those of 16 activations, times `by`, in 16 bits.
template <int M>
NEXTN_INLINE void scale_sums(const ActRows& act, int64_t k, int64_t at, int by, int16_t (&sums)[M][16]) {
  NEXTN_UNROLL
  for (int m = 0; m < M; m++) {
    NEXTN_UNROLL
    for (int i = 0; i < 2; i++) {
      const __m128i* sum = reinterpret_cast<const __m128i*>(act.sum + (m * k + at) / 16) + 2 * i;
      const __m128i eight = _mm_packs_epi32(_mm_loadu_si128(sum), _mm_loadu_si128(sum + 1));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(sums[m]) + i,
                       _mm_mullo_epi16(eight, _mm_set1_epi16(static_cast<int16_t>(by))));
    }
  }
}

template <class Format, int M, int P>
NEXTN_INLINE void add_sub_block(const uint8_t* super, const typename Format::Scales& scales,
                                const int16_t (&bias)[M][16], int b, const ActRows& act, int64_t k, int64_t at,
                                Floats<M>& block) {
  typename Format::template Sub<P> w(super, scales, b);
  prefetch<Format::kBytes, 8>(super, b);
  const int8_t* q = act.q + at + b * 32;
  Ints<M> pairs, dots;
  __m256i by[2];
  if constexpr (Format::kOffset != 0) {
    NEXTN_UNROLL
    for (int h = 0; h < 2; h++) {
      const __m256i both = _mm256_blend_epi16(w.by(0, h), w.by(1, h), 0xaa);
      NEXTN_UNROLL
      for (int m = 0; m < M; m++) dots[m][h] = _mm256_madd_epi16(both, pair_at(bias[m] + 2 * b));
    }
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
    widen<M>(pairs, by, Format::kOffset != 0 || g > 0, dots);
  }
  add_scaled<M>(dots, act.scale + at / 32 + b, k / 32, block);
}

template <class Format, int M>
NEXTN_INLINE void add_superblock(const uint8_t* super, const ActRows& act, int64_t k, int64_t at, Sums<M>& acc) {
  const typename Format::Scales scales(super);
  int16_t bias[M][16];
  if constexpr (Format::kOffset != 0) scale_sums<M>(act, k, at, -Format::kOffset, bias);
  Floats<M> block;
  clear<M>(block);
  if constexpr (Format::kParts == 1) {
    for (int b = 0; b < 8; b++) add_sub_block<Format, M, 0>(super, scales, bias, b, act, k, at, block);
  } else {
    for (int b = 0; b < 8; b += Format::kParts) {
      add_sub_block<Format, M, 0>(super, scales, bias, b, act, k, at, block);
      add_sub_block<Format, M, 1>(super, scales, bias, b + 1, act, k, at, block);
      add_sub_block<Format, M, 2>(super, scales, bias, b + 2, act, k, at, block);
      add_sub_block<Format, M, 3>(super, scales, bias, b + 3, act, k, at, block);
      if constexpr (Format::kParts == 8) {
        add_sub_block<Format, M, 4>(super, scales, bias, b + 4, act, k, at, block);
        add_sub_block<Format, M, 5>(super, scales, bias, b + 5, act, k, at, block);
        add_sub_block<Format, M, 6>(super, scales, bias, b + 6, act, k, at, block);
        add_sub_block<Format, M, 7>(super, scales, bias, b + 7, act, k, at, block);
      }
    }
  }
  NEXTN_UNROLL
  for (int h = 0; h < 2; h++) {
    const __m256 d = Format::d(super, h);
    NEXTN_UNROLL
    for (int m = 0; m < M; m++) fma_to(acc.v[m] + h * 8, d, block[m][h]);
  }
  if constexpr (Format::kMins) {
    int16_t sums[M][16];
    scale_sums<M>(act, k, at, 1, sums);
    Floats<M> mins;
    clear<M>(mins);
    for (int b = 0; b < 8; b++) {
      Ints<M> dots;
      NEXTN_UNROLL
      for (int h = 0; h < 2; h++) {
        const __m256i pairs = Format::min_pairs(super, b, h);
        NEXTN_UNROLL
        for (int m = 0; m < M; m++) dots[m][h] = _mm256_madd_epi16(pairs, pair_at(sums[m] + 2 * b));
      }
      add_scaled<M>(dots, act.scale + at / 32 + b, k / 32, mins);
    }
    NEXTN_UNROLL
    for (int h = 0; h < 2; h++) {
      const __m256 dmin = Format::dmin(super, h);
      NEXTN_UNROLL
      for (int m = 0; m < M; m++) {
        float* sum = acc.v[m] + h * 8;
        _mm256_store_ps(sum, _mm256_fnmadd_ps(dmin, mins[m][h], _mm256_load_ps(sum)));
      }
    }
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
