// The matmul of a superblock of 256 weights; scalar/matmul.cc defines the numbers. Formats with an add_block of their
// own (matmul.cc) say the same for amx.h. What a format says:
//
//   Scales(super)             what amx.h unpacks once for a superblock; here scales is super
//   Unpacked(super)           what weights() reads; here it is super
//   weights(unpacked, b, w)   the 32 inputs of sub-block b, unsigned, with kOffset added
//   scale(scales, b, i)       the integer scales of inputs 16i .. 16i + 15
//   kOneScale                 whether they are the same for all 32
//   kMins, mins(scales, b)    the minima of the first and the last 16 inputs in the halves of a lane, and dmin(super)
//   d(super)                  the scales of the rows
#pragma once

#include "kernels/avx512/tile.h"

namespace nextn::avx512 {

// Byte r of 16 in lane r.
NEXTN_INLINE __m512i row_bytes(const uint8_t* p) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
// 16-bit unit r of 16 in lane r.
NEXTN_INLINE __m512i row_units(const uint8_t* p) {
  return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
// n bits from bit `first` on.
NEXTN_INLINE __m512i bits_of(__m512i x, int first, int n) {
  return _mm512_and_si512(_mm512_srl_epi32(x, _mm_cvtsi32_si128(first)), _mm512_set1_epi32((1 << n) - 1));
}
// 2x + 1.
NEXTN_INLINE __m512i odd_scale(__m512i x) {
  return _mm512_or_si512(_mm512_slli_epi32(x, 1), _mm512_set1_epi32(1));
}

template <class Format>
struct Super {
  static constexpr int kInputs = 256, kOffset = 0;
  static constexpr bool kOneScale = false, kMins = false;
  using Scales = const uint8_t*;
  using Unpacked = const uint8_t*;

  NEXTN_INLINE __m512 d(const uint8_t* super) { return halves_at(super); }

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* super, const Acts& rows, __m512 (&acc)[M]) {
    const typename Format::Unpacked unpacked(super);
    __m512i total[M] = {}, mins[M] = {};
    for (int b = 0; b < 8; b++) {
      Words w;
      Format::weights(unpacked, b, w);
      prefetch<Format::kBytes, 8>(super, b);
      const Acts act = rows.from(32 * b);
      __m512i first[M], last[M];
      if constexpr (Format::kOneScale) {
        bias<M, Format::kOffset>(act, first);
        dots<M>(w, act, 0, kGroups, first);
      } else {
        half_dots<M, Format::kOffset>(w, act, first, last);
      }
      const __m512i scale0 = Format::scale(super, b, 0), scale1 = Format::scale(super, b, 1);
      NEXTN_UNROLL
      for (int m = 0; m < M; m++) {
        total[m] = _mm512_add_epi32(total[m], _mm512_mullo_epi32(first[m], scale0));
        if constexpr (!Format::kOneScale) total[m] = _mm512_add_epi32(total[m], _mm512_mullo_epi32(last[m], scale1));
        if constexpr (Format::kMins) add_pairs(mins[m], Format::mins(super, b), act.sum + m * act.k_sum);
      }
    }
    add_scaled<M>(total, rows, Format::d(super), acc);
    if constexpr (Format::kMins) add_scaled<M>(mins, rows, minus(Format::dmin(super)), acc);
  }
};

}  // namespace nextn::avx512
