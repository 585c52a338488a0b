// Matmul of the formats with blocks of 32 or 64 weights that are not in matmul.cc; scalar/matmul.cc defines the
// numbers.
#include "kernels/avx512/functions.h"
#include "kernels/avx512/tile.h"
#include "quant/blocks.h"

namespace nextn::avx512 {

namespace {

// Four words of nibbles: the low ones are groups 0 .. 3, the high ones 4 .. 7.
NEXTN_INLINE void unpack_nibbles(const uint8_t* qs, Words& w) {
  const __m512i low = _mm512_set1_epi8(15);
  NEXTN_UNROLL
  for (int g = 0; g < 4; g++) {
    const __m512i both = word_at(qs + g * kWord);
    w.v[g] = _mm512_and_si512(both, low);
    w.v[g + 4] = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
  }
}
// Bit g of every byte of a turned word (pack.h) is the fifth bit of group g.
NEXTN_INLINE void add_fifth_bits(const uint8_t* word, Words& w) {
  const __m512i bits = word_at(word), fifth = _mm512_set1_epi8(16);
  NEXTN_UNROLL
  for (int g = 0; g < kGroups; g++) {
    const __m512i moved = g < 4 ? _mm512_slli_epi16(bits, 4 - g) : _mm512_srli_epi16(bits, g - 4);
    w.v[g] = _mm512_or_si512(w.v[g], _mm512_and_si512(moved, fifth));
  }
}
NEXTN_INLINE void look_up(__m128i values, Words& w) {
  const __m512i table = _mm512_broadcast_i32x4(values);
  NEXTN_UNROLL
  for (int g = 0; g < kGroups; g++) w.v[g] = _mm512_shuffle_epi8(table, w.v[g]);
}
// kFp4Values plus 12.
NEXTN_INLINE __m128i fp4_values() {
  return _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0);
}

// Shared by what has one scale d for 32 weights. A format says
//   weights(block, w)   unsigned, with kOffset added
//   scale(block)        d
//   kMin                where a block has halves m; 0: it has none
template <class Format>
struct Small {
  static constexpr int kInputs = 32, kOffset = 0, kMin = 0;
  NEXTN_INLINE __m512 scale(const uint8_t* block) { return halves_at(block); }

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* block, const Acts& act, __m512 (&acc)[M]) {
    Words w;
    Format::weights(block, w);
    prefetch<Format::kBytes, 1, M == 1>(block, 0);
    const __m512 d = Format::scale(block), min = halves_at(block + Format::kMin);
    __m512i s[M];
    bias<M, Format::kOffset>(act, s);
    dots<M>(w, act, 0, kGroups, s);
    NEXTN_UNROLL
    for (int m = 0; m < M; m++) {
      acc[m] = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(s[m]), act.scale_of(m)), d, acc[m]);
      if constexpr (Format::kMin != 0) {
        const float sum = act.scale[m * act.k_scale] * static_cast<float>(act.sum_of(m, 0) + act.sum_of(m, 1));
        acc[m] = _mm512_fmadd_ps(min, _mm512_set1_ps(sum), acc[m]);
      }
    }
  }
};

struct Q4_1 : Small<Q4_1> {
  static constexpr int kBytes = 20 * kTileRows, kMin = 2 * kTileRows;
  NEXTN_INLINE void weights(const uint8_t* block, Words& w) { unpack_nibbles(block + 4 * kTileRows, w); }
};

struct Q5_0 : Small<Q5_0> {
  static constexpr int kBytes = 22 * kTileRows, kOffset = 16;
  NEXTN_INLINE void weights(const uint8_t* block, Words& w) {
    unpack_nibbles(block + 6 * kTileRows, w);
    add_fifth_bits(block + 2 * kTileRows, w);
  }
};

struct Q5_1 : Small<Q5_1> {
  static constexpr int kBytes = 24 * kTileRows, kMin = 2 * kTileRows;
  NEXTN_INLINE void weights(const uint8_t* block, Words& w) {
    unpack_nibbles(block + 8 * kTileRows, w);
    add_fifth_bits(block + 4 * kTileRows, w);
  }
};

struct IQ4_NL : Small<IQ4_NL> {
  static constexpr int kBytes = 18 * kTileRows, kOffset = 128;
  NEXTN_INLINE void weights(const uint8_t* block, Words& w) {
    unpack_nibbles(block + 2 * kTileRows, w);
    look_up(_mm_xor_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kIq4Values)), _mm_set1_epi8(-128)), w);
  }
};

struct MXFP4 : Small<MXFP4> {
  static constexpr int kBytes = 17 * kTileRows, kOffset = 12;
  NEXTN_INLINE void weights(const uint8_t* block, Words& w) {
    unpack_nibbles(block + kTileRows, w);
    look_up(fp4_values(), w);
  }
  // power_of_two() of blocks.h.
  NEXTN_INLINE __m512 scale(const uint8_t* block) {
    const __m512i e = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(block)));
    const __m512i one = _mm512_set1_epi32(1);
    const __m512i denormal = _mm512_sllv_epi32(_mm512_set1_epi32(0x00200000), e);
    const __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, one), 23);
    return _mm512_castsi512_ps(_mm512_mask_mov_epi32(denormal, _mm512_cmpgt_epi32_mask(e, one), normal));
  }
};

struct NVFP4 {
  static constexpr int kInputs = 64, kBytes = 36 * kTileRows;

  // ue4m3_half() of blocks.h.
  NEXTN_INLINE __m512 scale(const uint8_t* bytes) {
    const __m256i s = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
    const __m256i half = _mm256_and_si256(_mm256_slli_epi16(s, 7), _mm256_set1_epi16(0x3f80));
    const __m256i zero = _mm256_cmpeq_epi16(s, _mm256_set1_epi16(0x7f));
    return _mm512_mul_ps(_mm512_cvtph_ps(_mm256_andnot_si256(zero, half)), _mm512_set1_ps(128.0f));
  }

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* block, const Acts& act, __m512 (&acc)[M]) {
    prefetch<kBytes, 1, M == 1>(block, 0);
    for (int b = 0; b < 2; b++) {
      // Of 16 inputs, the low nibbles of two words are the first 8.
      const __m512i low = _mm512_set1_epi8(15);
      Words w;
      NEXTN_UNROLL
      for (int i = 0; i < 4; i++) {
        const __m512i both = word_at(block + 4 * kTileRows + (4 * b + i) * kWord);
        w.v[i / 2 * 4 + i % 2] = _mm512_and_si512(both, low);
        w.v[i / 2 * 4 + i % 2 + 2] = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
      }
      look_up(fp4_values(), w);
      const __m512 d0 = scale(block + 2 * b * kTileRows), d1 = scale(block + (2 * b + 1) * kTileRows);
      const Acts a = act.from(32 * b);
      __m512i first[M], last[M];
      half_dots<M, 12>(w, a, first, last);
      NEXTN_UNROLL
      for (int m = 0; m < M; m++) {
        const __m512 both =
            _mm512_fmadd_ps(_mm512_cvtepi32_ps(last[m]), d1, _mm512_mul_ps(_mm512_cvtepi32_ps(first[m]), d0));
        acc[m] = _mm512_fmadd_ps(both, a.scale_of(m), acc[m]);
      }
    }
  }
};

}  // namespace

void matmul_q4_1(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<Q4_1>>(args, tile_first, tile_last);
}
void matmul_q5_0(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<Q5_0>>(args, tile_first, tile_last);
}
void matmul_q5_1(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<Q5_1>>(args, tile_first, tile_last);
}
void matmul_iq4_nl(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<IQ4_NL>>(args, tile_first, tile_last);
}
void matmul_mxfp4(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<MXFP4>>(args, tile_first, tile_last);
}
void matmul_nvfp4(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<NVFP4>>(args, tile_first, tile_last);
}

}  // namespace nextn::avx512
