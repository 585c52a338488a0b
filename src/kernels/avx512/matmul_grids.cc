// Matmul of the IQ formats below 4 bits; scalar/matmul.cc defines the numbers. Sizes are gathered from the grids; signs
// are applied to them and an offset added, because VPDPBUSD wants its first operand unsigned.
#include "kernels/avx512/amx.h"
#include "kernels/avx512/functions.h"
#include "kernels/avx512/iq_formats.h"
#include "quant/iq_grids.h"

namespace nextn::avx512 {

namespace {

// Entries of four weights for 16 rows; lane r of index is that of row r.
NEXTN_INLINE __m512i look_up(const uint32_t* grid, __m512i index) {
  return _mm512_i32gather_epi32(index, grid, 4);
}

// Entries of eight weights for 16 rows: the first four of each row to w[0], the last four to w[1].
NEXTN_INLINE void look_up(const uint64_t* grid, __m512i index, __m512i* w) {
  const __m512i a = _mm512_i32gather_epi64(_mm512_castsi512_si256(index), grid, 8);
  const __m512i b = _mm512_i32gather_epi64(_mm512_extracti64x4_epi64(index, 1), grid, 8);
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  w[0] = _mm512_permutex2var_epi32(a, even, b);
  w[1] = _mm512_permutex2var_epi32(a, _mm512_or_si512(even, _mm512_set1_epi32(1)), b);
}

// Sizes to offset + size, or offset - size where group g has a sign. signs: a turned word (pack.h).
template <int offset>
NEXTN_INLINE void apply_signs(__m512i signs, Words& w) {
  const __m512i zero = _mm512_set1_epi8(offset);
  NEXTN_UNROLL
  for (int g = 0; g < kGroups; g++) {
    const __mmask64 negative = _mm512_test_epi8_mask(signs, _mm512_set1_epi8(static_cast<char>(1 << g)));
    w.v[g] = _mm512_mask_sub_epi8(_mm512_add_epi8(zero, w.v[g]), negative, zero, w.v[g]);
  }
}

// Bits `keep` of x moved left by n, right for negative n.
NEXTN_INLINE __m512i moved(__m512i x, int n, int keep) {
  const __m512i y =
      n < 0 ? _mm512_srli_epi32(x, static_cast<unsigned>(-n)) : _mm512_slli_epi32(x, static_cast<unsigned>(n));
  return _mm512_and_si512(y, _mm512_set1_epi32(keep));
}

struct IQ2_XXS : IQ2_XXS_Scales<IQ2_XXS> {
  NEXTN_INLINE void weights(const uint8_t* super, int b, Words& w) {
    const uint8_t* words = super + 2 * kTileRows + b * 2 * kWord;
    NEXTN_UNROLL
    for (int l = 0; l < 4; l++) look_up(kIq2XxsGrid.entries, moved(word_at(words), -8 * l, 255), w.v + 2 * l);
    apply_signs<kOffset>(all_signs(word_at(words + kWord)), w);
  }
};

struct IQ2_XS : IQ2_XS_Scales<IQ2_XS> {
  NEXTN_INLINE void weights(const uint8_t* super, int b, Words& w) {
    const uint8_t* words = super + 10 * kTileRows + b * 2 * kWord;
    const __m512i low = word_at(words), word = word_at(words + kWord);
    NEXTN_UNROLL
    for (int l = 0; l < 4; l++) {
      const __m512i index = _mm512_or_si512(moved(low, -8 * l, 255), moved(word, -17 - 2 * l, 256));
      look_up(kIq2XsGrid.entries, index, w.v + 2 * l);
    }
    apply_signs<kOffset>(all_signs(word), w);
  }
};

struct IQ2_S : Eighths<IQ2_S> {
  static constexpr int kBytes = 82 * kTileRows, kOffset = kIq2Offset;

  NEXTN_INLINE void weights(const uint8_t* super, int b, Words& w) {
    const __m512i high = row_bytes(super + (2 + b) * kTileRows);
    NEXTN_UNROLL
    for (int l = 0; l < 4; l++) {
      const __m512i low = row_bytes(super + (18 + 4 * b + l) * kTileRows);
      look_up(kIq2SGrid.entries, _mm512_or_si512(low, moved(high, 8 - 2 * l, 0x300)), w.v + 2 * l);
    }
    apply_signs<kOffset>(word_at(super + 50 * kTileRows + b * kWord), w);
  }
  NEXTN_INLINE __m512i scale(const uint8_t* super, int b, int i) {
    return odd_scale(bits_of(row_bytes(super + (10 + b) * kTileRows), 4 * i, 4));
  }
};

struct IQ3_XXS : IQ3_XXS_Scales<IQ3_XXS> {
  NEXTN_INLINE void weights(const uint8_t* super, int b, Words& w) {
    NEXTN_UNROLL
    for (int g = 0; g < kGroups; g++) {
      w.v[g] = look_up(kIq3XxsGrid.entries, row_bytes(super + (2 + 8 * b + g) * kTileRows));
    }
    apply_signs<kOffset>(all_signs(word_at(super + 66 * kTileRows + b * kWord)), w);
  }
};

struct IQ3_S : IQ3_S_Scales<IQ3_S> {
  NEXTN_INLINE void weights(const uint8_t* super, int b, Words& w) {
    const __m512i high = row_bytes(super + (2 + b) * kTileRows);
    NEXTN_UNROLL
    for (int g = 0; g < kGroups; g++) {
      const __m512i low = row_bytes(super + (14 + 8 * b + g) * kTileRows);
      w.v[g] = look_up(kIq3SGrid.entries, _mm512_or_si512(low, moved(high, 8 - g, 256)));
    }
    apply_signs<kOffset>(word_at(super + 78 * kTileRows + b * kWord), w);
  }
};

// Entries hold 8 (grid + 1). Adds 2 to two groups of the rows whose bit `down` of `lanes` is clear, which makes it
// 8 grid +- 1 with an offset of 9.
NEXTN_INLINE void shift_up(__m512i lanes, int down, __m512i* w) {
  const __mmask16 is_down = _mm512_test_epi32_mask(lanes, _mm512_set1_epi32(down));
  const __m512i up = _mm512_mask_mov_epi32(_mm512_set1_epi8(2), is_down, _mm512_setzero_si512());
  w[0] = _mm512_add_epi8(w[0], up);
  w[1] = _mm512_add_epi8(w[1], up);
}

struct IQ1_S : Eighths<IQ1_S> {
  static constexpr int kBytes = 50 * kTileRows, kOffset = 9;
  static constexpr bool kOneScale = true;

  NEXTN_INLINE void weights(const uint8_t* super, int b, Words& w) {
    const __m512i high = row_units(super + (2 + 2 * b) * kTileRows);
    NEXTN_UNROLL
    for (int l = 0; l < 4; l++) {
      const __m512i low = row_bytes(super + (18 + 4 * b + l) * kTileRows);
      look_up(kIq1Grid.entries, _mm512_or_si512(low, moved(high, 8 - 3 * l, 0x700)), w.v + 2 * l);
      shift_up(high, 0x8000, w.v + 2 * l);
    }
  }
  NEXTN_INLINE __m512i scale(const uint8_t* super, int b, int) {
    return odd_scale(bits_of(row_units(super + (2 + 2 * b) * kTileRows), 12, 3));
  }
};

struct IQ1_M : Super<IQ1_M> {
  static constexpr int kBytes = 56 * kTileRows, kOffset = 9;

  NEXTN_INLINE void weights(const uint8_t* super, int b, Words& w) {
    NEXTN_UNROLL
    for (int l = 0; l < 4; l++) {
      const __m512i low = row_bytes(super + (8 + 4 * b + l) * kTileRows);
      const __m512i high = row_bytes(super + (40 + 2 * b + l / 2) * kTileRows);
      look_up(kIq1Grid.entries, _mm512_or_si512(low, moved(high, l % 2 == 0 ? 8 : 4, 0x700)), w.v + 2 * l);
      shift_up(high, l % 2 == 0 ? 8 : 128, w.v + 2 * l);
    }
  }
  NEXTN_INLINE __m512i scale(const uint8_t* super, int b, int i) {
    return odd_scale(bits_of(row_units(super + b / 2 * 2 * kTileRows), b % 2 * 6 + 3 * i, 3));
  }
  NEXTN_INLINE __m512 d(const uint8_t* super) {
    __m256i half = _mm256_setzero_si256();
    NEXTN_UNROLL
    for (int i = 3; i >= 0; i--) {
      const __m256i word = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(super + i * 32));
      half = _mm256_or_si256(_mm256_slli_epi16(half, 4), _mm256_srli_epi16(word, 12));
    }
    return _mm512_mul_ps(_mm512_cvtph_ps(half), _mm512_set1_ps(0.125f));
  }
};

}  // namespace

void matmul_iq2_xxs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<IQ2_XXS>>(args, tile_first, tile_last);
}
void matmul_iq2_xs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<IQ2_XS>>(args, tile_first, tile_last);
}
void matmul_iq2_s(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<IQ2_S>>(args, tile_first, tile_last);
}
void matmul_iq3_xxs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<IQ3_XXS>>(args, tile_first, tile_last);
}
void matmul_iq3_s(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<IQ3_S>>(args, tile_first, tile_last);
}
void matmul_iq1_s(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<IQ1_S>>(args, tile_first, tile_last);
}
void matmul_iq1_m(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<IQ1_M>>(args, tile_first, tile_last);
}

void matmul_many_iq2_s(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  many_tiles<IQ2_S>(args, tile_first, tile_last);
}
void matmul_many_iq1_s(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  many_tiles<IQ1_S>(args, tile_first, tile_last);
}
void matmul_many_iq1_m(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  many_tiles<IQ1_M>(args, tile_first, tile_last);
}

}  // namespace nextn::avx512
