// What the IQ formats of sizes and signs have in common whether their entries are gathered (matmul_grids.cc) or
// permuted (matmul_vbmi.cc): where signs and scales stand. Each Format adds its weights().
#pragma once

#include "kernels/avx512/superblock.h"

namespace nextn::avx512 {

// A word of 28 signs and four other bits (pack.h). The eighth sign of each byte makes the number of them even.
NEXTN_INLINE __m512i all_signs(__m512i word) {
  const __m512i given = _mm512_and_si512(word, _mm512_set1_epi32(0x55ffffff));
  __m512i odd = _mm512_xor_si512(given, _mm512_srli_epi32(given, 16));
  odd = _mm512_xor_si512(odd, _mm512_srli_epi32(odd, 8));  // bit g: of group g
  odd = _mm512_and_si512(_mm512_xor_si512(odd, _mm512_slli_epi32(odd, 1)), _mm512_set1_epi32(0xaa));
  return _mm512_or_si512(given, _mm512_slli_epi32(odd, 24));
}
// Its other bits as a number.
NEXTN_INLINE __m512i other_bits(__m512i word) {
  __m512i x = _mm512_and_si512(_mm512_srli_epi32(word, 25), _mm512_set1_epi32(0x55));
  x = _mm512_and_si512(_mm512_or_si512(x, _mm512_srli_epi32(x, 1)), _mm512_set1_epi32(0x33));
  return _mm512_and_si512(_mm512_or_si512(x, _mm512_srli_epi32(x, 2)), _mm512_set1_epi32(15));
}

constexpr int kIq2Offset = 43;

template <class Format>
struct Eighths : Super<Format> {
  NEXTN_INLINE __m512 d(const uint8_t* super) { return _mm512_mul_ps(halves_at(super), _mm512_set1_ps(0.125f)); }
};

template <class Format>
struct IQ2_XXS_Scales : Eighths<Format> {
  static constexpr int kBytes = 66 * kTileRows, kOffset = kIq2Offset;
  static constexpr bool kOneScale = true;

  NEXTN_INLINE __m512i scale(const uint8_t* super, int b, int) {
    return odd_scale(other_bits(word_at(super + 2 * kTileRows + (2 * b + 1) * kWord)));
  }
};

template <class Format>
struct IQ2_XS_Scales : Eighths<Format> {
  static constexpr int kBytes = 74 * kTileRows, kOffset = kIq2Offset;

  NEXTN_INLINE __m512i scale(const uint8_t* super, int b, int i) {
    return odd_scale(bits_of(row_bytes(super + (2 + b) * kTileRows), 4 * i, 4));
  }
};

template <class Format>
struct IQ3_XXS_Scales : Super<Format> {
  static constexpr int kBytes = 98 * kTileRows, kOffset = 62;
  static constexpr bool kOneScale = true;

  NEXTN_INLINE __m512i scale(const uint8_t* super, int b, int) {
    return odd_scale(other_bits(word_at(super + 66 * kTileRows + b * kWord)));
  }
  NEXTN_INLINE __m512 d(const uint8_t* super) { return _mm512_mul_ps(halves_at(super), _mm512_set1_ps(0.25f)); }
};

template <class Format>
struct IQ3_S_Scales : Super<Format> {
  static constexpr int kBytes = 110 * kTileRows, kOffset = 15;
  static constexpr bool kOneScale = true;

  NEXTN_INLINE __m512i scale(const uint8_t* super, int b, int) {
    return odd_scale(bits_of(row_bytes(super + (10 + b / 2) * kTileRows), b % 2 * 4, 4));
  }
};

}  // namespace nextn::avx512
