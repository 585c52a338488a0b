// Matmul of the IQ formats with grids of up to 512 entries where the CPU has VBMI; scalar/matmul.cc defines the
// numbers. Nothing is gathered: VPERMB looks up the codes of 64 entries at a time, in tables that are the grid in
// planes of bytes, and the weights, signed and with an offset, by their codes. With AMX, their kernels of many rows,
// too.
#include "kernels/avx512/amx.h"
#include "kernels/avx512/functions.h"
#include "kernels/avx512/iq_formats.h"
#include "quant/iq_grids.h"

namespace nextn::avx512 {

namespace {

// Indices of four entries for each of 16 rows stand by quarters of the tile: byte 16q + 4i + r is entry i of row 4q +
// r.

NEXTN_INLINE __m512i by_quarter(int64_t low, int64_t high) {
  return _mm512_broadcast_i32x4(_mm_set_epi64x(high, low));
}
// Four times a byte of 16 rows.
NEXTN_INLINE __m512i quarters_of_bytes(const uint8_t* p) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, word_at(p));
}
// A word of four bytes of each row.
NEXTN_INLINE __m512i quarters_of_word(__m512i word) {
  return _mm512_shuffle_epi8(word, by_quarter(0x0d0905010c080400, 0x0f0b07030e0a0602));
}
// One byte of each row, the same for its four entries.
NEXTN_INLINE __m512i quarters_of_byte(const uint8_t* p) {
  const __m512i order = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  return _mm512_permutexvar_epi32(order, _mm512_castsi128_si512(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}

// Bit `first` of the bytes of entry 0, `first + step` of those of entry 1, and so on.
template <int first, int step>
NEXTN_INLINE __mmask64 test(__m512i x) {
  constexpr uint64_t one = 0x01010101;
  return _mm512_test_epi8_mask(
      x, by_quarter(static_cast<int64_t>(one << first | one << (first + step) << 32),
                    static_cast<int64_t>(one << (first + 2 * step) | one << (first + 3 * step) << 32)));
}

// Of which quarter of a page a code is: bits 6 and 7 of its index.
struct Quarter {
  __mmask64 low, high;

  NEXTN_INLINE_MEMBER explicit Quarter(__m512i index)
      : low(_mm512_movepi8_mask(_mm512_add_epi8(index, index))), high(_mm512_movepi8_mask(index)) {}
};

// From a page of 256 codes.
NEXTN_INLINE __m512i look_up(const uint8_t* page, __m512i index, Quarter part) {
  __m512i codes = _mm512_permutexvar_epi8(index, word_at(page));
  codes = _mm512_mask_permutexvar_epi8(codes, part.low, index, word_at(page + 64));
  codes = _mm512_mask_permutexvar_epi8(codes, part.high, index, word_at(page + 128));
  return _mm512_mask_permutexvar_epi8(codes, part.low & part.high, index, word_at(page + 192));
}

// From a plane of a grid. index: the lower eight bits; top: the ninth.
template <size_t n>
NEXTN_INLINE __m512i look_up(const uint8_t (&plane)[n], __m512i index, Quarter part, __mmask64 top) {
  const __m512i codes = look_up(plane, index, part);
  if constexpr (n == 256) return codes;
  return _mm512_mask_mov_epi8(codes, top, look_up(plane + 256, index, part));
}

// The four bytes of each entry from four vectors: of the first entry of 16 rows to w[0], of the next to w[step], ...
template <int step>
NEXTN_INLINE void join(__m512i b0, __m512i b1, __m512i b2, __m512i b3, __m512i* w) {
  const __m512i low01 = _mm512_unpacklo_epi8(b0, b1), high01 = _mm512_unpackhi_epi8(b0, b1);
  const __m512i low23 = _mm512_unpacklo_epi8(b2, b3), high23 = _mm512_unpackhi_epi8(b2, b3);
  w[0] = _mm512_unpacklo_epi16(low01, low23);
  w[step] = _mm512_unpackhi_epi16(low01, low23);
  w[2 * step] = _mm512_unpacklo_epi16(high01, high23);
  w[3 * step] = _mm512_unpackhi_epi16(high01, high23);
}

// Codes of all weights of four entries of eight.
template <size_t n>
NEXTN_INLINE void eights(const IqCodes<n>& grid, __m512i index, __mmask64 top, Words& w) {
  const Quarter part(index);
  NEXTN_UNROLL
  for (int p = 0; p < 2; p++) {
    const __m512i codes = look_up(grid.planes[p], index, part, top);
    join<2>(codes, _mm512_srli_epi16(codes, 2), _mm512_srli_epi16(codes, 4), _mm512_srli_epi16(codes, 6), w.v + p);
  }
}
// Of four entries of four.
template <size_t n>
NEXTN_INLINE void fours(const IqCodes<n>& grid, __m512i index, __mmask64 top, __m512i* w) {
  const Quarter part(index);
  const __m512i first = look_up(grid.planes[0], index, part, top), last = look_up(grid.planes[1], index, part, top);
  join<1>(first, _mm512_srli_epi16(first, 4), last, _mm512_srli_epi16(last, 4), w);
}

// Codes, of which the lower three bits count, to offset + size, or offset - size where group g has a sign.
template <int offset>
NEXTN_INLINE void apply_signs(__m512i signs, const uint8_t (&sizes)[8], Words& w) {
  int64_t eight;
  std::memcpy(&eight, sizes, sizeof eight);
  const __m512i zero = _mm512_set1_epi8(offset), size = _mm512_set1_epi64(eight), sign = _mm512_set1_epi8(8);
  const __m512i weights = _mm512_mask_sub_epi8(_mm512_add_epi8(zero, size), 0xff00ff00ff00ff00, zero, size);
  NEXTN_UNROLL
  for (int g = 0; g < kGroups; g++) {
    const __m512i here = g < 3 ? _mm512_slli_epi16(signs, static_cast<unsigned>(3 - g))
                               : _mm512_srli_epi16(signs, static_cast<unsigned>(g - 3));
    w.v[g] = _mm512_permutexvar_epi8(_mm512_ternarylogic_epi64(sign, here, w.v[g], 0xca), weights);
  }
}

struct IQ2_XXS : IQ2_XXS_Scales<IQ2_XXS> {
  NEXTN_INLINE void weights(const uint8_t* super, int b, Words& w) {
    const uint8_t* words = super + 2 * kTileRows + b * 2 * kWord;
    eights(kIq2XxsCodes, quarters_of_word(word_at(words)), 0, w);
    apply_signs<kOffset>(all_signs(word_at(words + kWord)), kIq2XxsCodes.sizes, w);
  }
};

struct IQ2_XS : IQ2_XS_Scales<IQ2_XS> {
  NEXTN_INLINE void weights(const uint8_t* super, int b, Words& w) {
    const uint8_t* words = super + 10 * kTileRows + b * 2 * kWord;
    const __m512i word = word_at(words + kWord);
    const __m512i high = _mm512_shuffle_epi8(word, by_quarter(0x0f0b07030f0b0703, 0x0f0b07030f0b0703));
    eights(kIq2XsCodes, quarters_of_word(word_at(words)), test<1, 2>(high), w);
    apply_signs<kOffset>(all_signs(word), kIq2XsCodes.sizes, w);
  }
};

struct IQ3_XXS : IQ3_XXS_Scales<IQ3_XXS> {
  NEXTN_INLINE void weights(const uint8_t* super, int b, Words& w) {
    const uint8_t* indices = super + (2 + 8 * b) * kTileRows;
    fours(kIq3XxsCodes, quarters_of_bytes(indices), 0, w.v);
    fours(kIq3XxsCodes, quarters_of_bytes(indices + kWord), 0, w.v + 4);
    apply_signs<kOffset>(all_signs(word_at(super + 66 * kTileRows + b * kWord)), kIq3XxsCodes.sizes, w);
  }
};

struct IQ3_S : IQ3_S_Scales<IQ3_S> {
  NEXTN_INLINE void weights(const uint8_t* super, int b, Words& w) {
    const uint8_t* indices = super + (14 + 8 * b) * kTileRows;
    const __m512i high = quarters_of_byte(super + (2 + b) * kTileRows);
    fours(kIq3SCodes, quarters_of_bytes(indices), test<0, 1>(high), w.v);
    fours(kIq3SCodes, quarters_of_bytes(indices + kWord), test<4, 1>(high), w.v + 4);
    apply_signs<kOffset>(word_at(super + 78 * kTileRows + b * kWord), kIq3SCodes.sizes, w);
  }
};

}  // namespace

void matmul_vbmi_iq2_xxs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<IQ2_XXS>>(args, tile_first, tile_last);
}
void matmul_vbmi_iq2_xs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<IQ2_XS>>(args, tile_first, tile_last);
}
void matmul_vbmi_iq3_xxs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<IQ3_XXS>>(args, tile_first, tile_last);
}
void matmul_vbmi_iq3_s(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<IQ3_S>>(args, tile_first, tile_last);
}

void matmul_many_iq2_xxs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  many_tiles<IQ2_XXS>(args, tile_first, tile_last);
}
void matmul_many_iq2_xs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  many_tiles<IQ2_XS>(args, tile_first, tile_last);
}
void matmul_many_iq3_xxs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  many_tiles<IQ3_XXS>(args, tile_first, tile_last);
}
void matmul_many_iq3_s(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  many_tiles<IQ3_S>(args, tile_first, tile_last);
}

}  // namespace nextn::avx512
