// Matmul of the IQ formats below 4 bits; scalar/matmul.cc defines the numbers. Sizes are gathered from the grids, or,
// of the formats that matmul_vbmi.cc leaves out, loaded one by one as well; signs are applied to them and an offset
// added, because VPDPBUSD wants its first operand unsigned.
#include "kernels/avx512/amx.h"
#include "kernels/avx512/functions.h"
#include "kernels/avx512/iq_formats.h"
#include "quant/iq_grids.h"

namespace nextn::avx512 {

namespace {

// Entries of four weights for 16 rows; lane r of index is that of row r.
NEXTN_INLINE __m512i gather(const uint32_t* grid, __m512i index) {
  return _mm512_i32gather_epi32(index, grid, 4);
}

// Entries of eight weights for 16 rows: the first four of each row to w[0], the last four to w[1].
NEXTN_INLINE void gather(const uint64_t* grid, __m512i index, __m512i* w) {
  const __m512i a = _mm512_i32gather_epi64(_mm512_castsi512_si256(index), grid, 8);
  const __m512i b = _mm512_i32gather_epi64(_mm512_extracti64x4_epi64(index, 1), grid, 8);
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  w[0] = _mm512_permutex2var_epi32(a, even, b);
  w[1] = _mm512_permutex2var_epi32(a, _mm512_or_si512(even, _mm512_set1_epi32(1)), b);
}

// The same, by loads. Indices that were stored long before cost no wait for the store.
NEXTN_INLINE void load(const uint64_t* grid, const uint32_t (&index)[kTileRows], __m512i* w) {
  const auto entry = [&](int r) __attribute__((always_inline)) {
    return _mm256_set1_epi64x(static_cast<int64_t>(grid[index[r]]));
  };
  const auto four = [&](int r) __attribute__((always_inline)) {  // of rows r, r + 1, r + 4, r + 5
    return _mm256_blend_epi32(_mm256_blend_epi32(entry(r), entry(r + 1), 0x0c),
                              _mm256_blend_epi32(entry(r + 4), entry(r + 5), 0xc0), 0xf0);
  };
  const auto eight = [&](int r) __attribute__((always_inline)) {  // and of those 8 below
    return _mm512_castsi512_ps(_mm512_inserti64x4(_mm512_castsi256_si512(four(r)), four(r + 8), 1));
  };
  const __m512 a = eight(0), b = eight(2);
  w[0] = _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0x88));
  w[1] = _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0xdd));
}

// Formats with large grids, of entries of eight, say:
//   kGrid, index(super, b, l)   the entries and which ones: of group l of sub-block b's four, for 16 rows
//   finish(super, b, w)         what is done to the entries
template <template <class> class Entries>
struct Gathered : Entries<Gathered<Entries>> {
  NEXTN_INLINE void weights(const uint8_t* super, int b, Words& w) {
    NEXTN_UNROLL
    for (int l = 0; l < 4; l++) gather(Gathered::kGrid.entries, Gathered::index(super, b, l), w.v + 2 * l);
    Gathered::finish(super, b, w);
  }
};
template <template <class> class Entries>
struct Loaded : Entries<Loaded<Entries>> {
  struct Unpacked {
    NEXTN_INLINE_MEMBER explicit Unpacked(const uint8_t* p) : super(p) {
      for (int b = 0; b < 8; b++) {
        NEXTN_UNROLL
        for (int l = 0; l < 4; l++) _mm512_store_si512(indices[4 * b + l], Loaded::index(super, b, l));
      }
    }
    const uint8_t* super;
    alignas(64) uint32_t indices[32][kTileRows];
  };

  NEXTN_INLINE void weights(const Unpacked& unpacked, int b, Words& w) {
    NEXTN_UNROLL
    for (int l = 0; l < 4; l++) load(Loaded::kGrid.entries, unpacked.indices[4 * b + l], w.v + 2 * l);
    Loaded::finish(unpacked.super, b, w);
  }
};

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
    for (int l = 0; l < 4; l++) gather(kIq2XxsGrid.entries, moved(word_at(words), -8 * l, 255), w.v + 2 * l);
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
      gather(kIq2XsGrid.entries, index, w.v + 2 * l);
    }
    apply_signs<kOffset>(all_signs(word), w);
  }
};

template <class Format>
struct IQ2_S : Eighths<Format> {
  static constexpr int kBytes = 82 * kTileRows, kOffset = kIq2Offset;
  static constexpr const auto& kGrid = kIq2SGrid;

  NEXTN_INLINE __m512i index(const uint8_t* super, int b, int l) {
    const __m512i low = row_bytes(super + (18 + 4 * b + l) * kTileRows), high = row_bytes(super + (2 + b) * kTileRows);
    return _mm512_or_si512(low, moved(high, 8 - 2 * l, 0x300));
  }
  NEXTN_INLINE void finish(const uint8_t* super, int b, Words& w) {
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
      w.v[g] = gather(kIq3XxsGrid.entries, row_bytes(super + (2 + 8 * b + g) * kTileRows));
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
      w.v[g] = gather(kIq3SGrid.entries, _mm512_or_si512(low, moved(high, 8 - g, 256)));
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

template <class Format>
struct IQ1_S : Eighths<Format> {
  static constexpr int kBytes = 50 * kTileRows, kOffset = 9;
  static constexpr bool kOneScale = true;
  static constexpr const auto& kGrid = kIq1Grid;

  NEXTN_INLINE __m512i index(const uint8_t* super, int b, int l) {
    const __m512i low = row_bytes(super + (18 + 4 * b + l) * kTileRows);
    return _mm512_or_si512(low, moved(row_units(super + (2 + 2 * b) * kTileRows), 8 - 3 * l, 0x700));
  }
  NEXTN_INLINE void finish(const uint8_t* super, int b, Words& w) {
    const __m512i high = row_units(super + (2 + 2 * b) * kTileRows);
    NEXTN_UNROLL
    for (int l = 0; l < 4; l++) shift_up(high, 0x8000, w.v + 2 * l);
  }
  NEXTN_INLINE __m512i scale(const uint8_t* super, int b, int) {
    return odd_scale(bits_of(row_units(super + (2 + 2 * b) * kTileRows), 12, 3));
  }
};

template <class Format>
struct IQ1_M : Super<Format> {
  static constexpr int kBytes = 56 * kTileRows, kOffset = 9;
  static constexpr const auto& kGrid = kIq1Grid;

  NEXTN_INLINE __m512i high(const uint8_t* super, int b, int l) {
    return row_bytes(super + (40 + 2 * b + l / 2) * kTileRows);
  }
  NEXTN_INLINE __m512i index(const uint8_t* super, int b, int l) {
    const __m512i low = row_bytes(super + (8 + 4 * b + l) * kTileRows);
    return _mm512_or_si512(low, moved(high(super, b, l), l % 2 == 0 ? 8 : 4, 0x700));
  }
  NEXTN_INLINE void finish(const uint8_t* super, int b, Words& w) {
    NEXTN_UNROLL
    for (int l = 0; l < 4; l++) shift_up(high(super, b, l), l % 2 == 0 ? 8 : 128, w.v + 2 * l);
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
  for_rows<BlockKernel<Gathered<IQ2_S>>>(args, tile_first, tile_last);
}
void matmul_loads_iq2_s(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<Loaded<IQ2_S>>>(args, tile_first, tile_last);
}
void matmul_iq3_xxs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<IQ3_XXS>>(args, tile_first, tile_last);
}
void matmul_iq3_s(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<IQ3_S>>(args, tile_first, tile_last);
}
void matmul_iq1_s(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<Gathered<IQ1_S>>>(args, tile_first, tile_last);
}
void matmul_loads_iq1_s(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<Loaded<IQ1_S>>>(args, tile_first, tile_last);
}
void matmul_iq1_m(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<Gathered<IQ1_M>>>(args, tile_first, tile_last);
}
void matmul_loads_iq1_m(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<Loaded<IQ1_M>>>(args, tile_first, tile_last);
}

void matmul_many_iq2_s(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  many_tiles<Gathered<IQ2_S>>(args, tile_first, tile_last);
}
void matmul_many_iq1_s(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  many_tiles<Gathered<IQ1_S>>(args, tile_first, tile_last);
}
void matmul_many_iq1_m(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  many_tiles<Gathered<IQ1_M>>(args, tile_first, tile_last);
}

}  // namespace nextn::avx512
