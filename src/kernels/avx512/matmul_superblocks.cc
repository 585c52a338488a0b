// Matmul of Q2_K, Q3_K and the ternary formats; scalar/matmul.cc defines the numbers.
#include "kernels/avx512/amx.h"
#include "kernels/avx512/functions.h"

namespace nextn::avx512 {

namespace {

// qs: bits 2(b mod 4) of the 32 bytes of each half superblock.
NEXTN_INLINE void unpack_two_bits(const uint8_t* qs, int b, Words& w) {
  const __m128i count = _mm_cvtsi32_si128(b % 4 * 2);
  NEXTN_UNROLL
  for (int g = 0; g < kGroups; g++) {
    const __m512i bytes = word_at(qs + (b / 4 * kGroups + g) * kWord);
    w.v[g] = _mm512_and_si512(_mm512_srl_epi16(bytes, count), _mm512_set1_epi8(3));
  }
}

struct Q2_K : Super<Q2_K> {
  static constexpr int kBytes = 84 * kTileRows;
  static constexpr bool kMins = true;

  NEXTN_INLINE void weights(const uint8_t* super, int b, Words& w) { unpack_two_bits(super + 20 * kTileRows, b, w); }
  NEXTN_INLINE __m512i both(const uint8_t* super, int b, int i) {
    return row_bytes(super + (4 + 2 * b + i) * kTileRows);
  }
  NEXTN_INLINE __m512i scale(const uint8_t* super, int b, int i) { return bits_of(both(super, b, i), 0, 4); }
  NEXTN_INLINE __m512i mins(const uint8_t* super, int b) {
    return _mm512_or_si512(bits_of(both(super, b, 0), 4, 4), _mm512_slli_epi32(bits_of(both(super, b, 1), 4, 4), 16));
  }
  NEXTN_INLINE __m512 dmin(const uint8_t* super) { return halves_at(super + 2 * kTileRows); }
};

struct Q3_K : Super<Q3_K> {
  static constexpr int kBytes = 110 * kTileRows, kOffset = 4;

  NEXTN_INLINE void weights(const uint8_t* super, int b, Words& w) {
    unpack_two_bits(super + 46 * kTileRows, b, w);
    const __m128i count = _mm_cvtsi32_si128(b);
    NEXTN_UNROLL
    for (int g = 0; g < kGroups; g++) {
      const __m512i bit =
          _mm512_and_si512(_mm512_srl_epi16(word_at(super + 14 * kTileRows + g * kWord), count), _mm512_set1_epi8(1));
      w.v[g] = _mm512_or_si512(w.v[g], _mm512_slli_epi16(bit, 2));
    }
  }
  NEXTN_INLINE __m512i scale(const uint8_t* super, int b, int i) {
    const uint8_t* s = super + 2 * kTileRows;
    const int g = 2 * b + i;
    const __m512i low = bits_of(row_bytes(s + g % 8 * kTileRows), g / 8 * 4, 4);
    const __m512i high = bits_of(row_bytes(s + (8 + g % 4) * kTileRows), g / 4 * 2, 2);
    return _mm512_sub_epi32(_mm512_or_si512(low, _mm512_slli_epi32(high, 4)), _mm512_set1_epi32(32));
  }
};

// Without scales inside of a superblock.
template <class Format>
struct Ternary : Super<Format> {
  static constexpr int kOffset = 1;
  static constexpr bool kOneScale = true;
  NEXTN_INLINE __m512i scale(const uint8_t*, int, int) { return _mm512_set1_epi32(1); }
};

struct TQ2_0 : Ternary<TQ2_0> {
  static constexpr int kBytes = 66 * kTileRows;
  NEXTN_INLINE void weights(const uint8_t* super, int b, Words& w) { unpack_two_bits(super + 2 * kTileRows, b, w); }
};

struct TQ1_0 : Ternary<TQ1_0> {
  static constexpr int kBytes = 54 * kTileRows;

  // Digit n of every byte: (byte * power mod 256) * 3 / 256, power = 3^n. Odd bytes stand in the upper half of their 16
  // bits, where the product is taken modulo 256 by itself; even ones get there by the factor.
  NEXTN_INLINE __m512i digits(__m512i bytes, int power) {
    const __m512i three = _mm512_set1_epi16(3);
    const __m512i even = _mm512_mullo_epi16(bytes, _mm512_set1_epi16(static_cast<int16_t>(power * 256)));
    const __m512i odd = _mm512_mullo_epi16(_mm512_andnot_si512(_mm512_set1_epi16(255), bytes),
                                           _mm512_set1_epi16(static_cast<int16_t>(power)));
    return _mm512_or_si512(_mm512_mulhi_epu16(even, three), _mm512_slli_epi16(_mm512_mulhi_epu16(odd, three), 8));
  }

  // Inputs 32n + l, then 160 + 16n + l, then 240 + 4n + l are digit n.
  NEXTN_INLINE void weights(const uint8_t* super, int b, Words& w) {
    const int powers[] = {1, 3, 9, 27, 81};
    NEXTN_UNROLL
    for (int g = 0; g < kGroups; g++) {
      const int group = 8 * b + g;
      const int n = group < 40 ? b : group < 60 ? (group - 40) / 4 : group - 60;
      const int word = group < 40 ? g : group < 60 ? 8 + group % 4 : 12;
      w.v[g] = digits(word_at(super + 2 * kTileRows + word * kWord), powers[n]);
    }
  }
};

}  // namespace

void matmul_q2_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<Q2_K>>(args, tile_first, tile_last);
}
void matmul_q3_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<Q3_K>>(args, tile_first, tile_last);
}
void matmul_tq1_0(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<TQ1_0>>(args, tile_first, tile_last);
}
void matmul_tq2_0(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<TQ2_0>>(args, tile_first, tile_last);
}

void matmul_many_q2_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  many_tiles<Q2_K>(args, tile_first, tile_last);
}
void matmul_many_q3_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  many_tiles<Q3_K>(args, tile_first, tile_last);
}
void matmul_many_tq1_0(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  many_tiles<TQ1_0>(args, tile_first, tile_last);
}
void matmul_many_tq2_0(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  many_tiles<TQ2_0>(args, tile_first, tile_last);
}

}  // namespace nextn::avx512
