// Matmul of the formats with blocks of 32 or 64 weights that are not in matmul.cc; scalar/matmul.cc defines the
// numbers.
#include "kernels/avx2/functions.h"
#include "kernels/avx2/tile.h"
#include "quant/blocks.h"

namespace nextn::avx2 {

namespace {

// Group g of half h out of words of nibbles: groups 0 .. 3 are the low ones, 4 .. 7 the high ones.
NEXTN_INLINE __m256i nibbles(const uint8_t* qs, int g, int h) {
  const __m256i both = load(qs + g % 4 * kWord + h * 32);
  return _mm256_and_si256(g < 4 ? both : _mm256_srli_epi16(both, 4), _mm256_set1_epi8(15));
}
// Bit g of every byte of a turned word (pack.h), as a fifth bit.
NEXTN_INLINE __m256i fifth_bits(const uint8_t* word, int g, int h) {
  const __m256i bits = load(word + h * 32);
  return _mm256_and_si256(g < 4 ? _mm256_slli_epi16(bits, 4 - g) : _mm256_srli_epi16(bits, g - 4),
                          _mm256_set1_epi8(0x10));
}
NEXTN_INLINE __m256i look_up(const int8_t (&values)[16], __m256i nibbles) {
  const __m128i table = _mm_loadu_si128(reinterpret_cast<const __m128i*>(values));
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), nibbles);
}
// The same for kFp4Values, plus 12.
NEXTN_INLINE __m256i look_up_fp4(__m256i nibbles) {
  const __m128i table = _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0);
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), nibbles);
}

// Shared by what has one scale d for 32 weights. A format says
//   weights(block, g, h)   group g of half h of the rows, unsigned with kOffset added, or signed if kSigned
//   kRun                   how many groups are added up in 16 bits
//   scale(block, h)        d of a half
//   kMin                   where a block has halves m; 0: it has none
template <class Format, int M>
NEXTN_INLINE void add_small_block(const uint8_t* block, const ActRows& act, int64_t k, int64_t at, Sums<M>& acc) {
  prefetch<Format::kBytes, 1>(block, 0);
  const auto weights = [&](int g, int h) { return Format::weights(block, g, h); };
  const __m256i ones[2] = {_mm256_set1_epi16(1), _mm256_set1_epi16(1)};
  Ints<M> pairs, dots;
  clear<M>(dots);
  NEXTN_UNROLL
  for (int g = 0; g < kGroups; g += Format::kRun) {
    if constexpr (Format::kSigned) sum_signed_pairs<M, M == 1>(weights, act.q + at, k, g, g + Format::kRun, pairs);
    if constexpr (!Format::kSigned) sum_pairs<M>(weights, act.q + at, k, g, g + Format::kRun, pairs);
    widen<M>(pairs, ones, dots);
  }
  __m256 d[2];
  NEXTN_UNROLL
  for (int h = 0; h < 2; h++) d[h] = Format::scale(block, h);
  NEXTN_UNROLL
  for (int m = 0; m < M; m++) {
    const int64_t i = m * k + at;
    const int sum = act.sum[i / 16] + act.sum[i / 16 + 1];
    const float scale = act.scale[i / 32];
    const __m256 a = _mm256_set1_ps(scale);
    NEXTN_UNROLL
    for (int h = 0; h < 2; h++) {
      __m256i s = dots[m][h];
      if constexpr (Format::kOffset != 0) s = _mm256_add_epi32(s, _mm256_set1_epi32(-Format::kOffset * sum));
      fma_to(acc.v[m] + h * 8, _mm256_mul_ps(_mm256_cvtepi32_ps(s), a), d[h]);
      if constexpr (Format::kMin != 0) {
        fma_to(acc.v[m] + h * 8, halves_at(block + Format::kMin + h * 16),
               _mm256_set1_ps(scale * static_cast<float>(sum)));
      }
    }
  }
}

template <class Format>
struct Small {
  static constexpr int kInputs = 32, kOffset = 0, kRun = 4, kMin = 0;
  static constexpr bool kSigned = false;
  NEXTN_INLINE __m256 scale(const uint8_t* block, int h) { return halves_at(block + h * 16); }

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* block, const ActRows& act, int64_t k, int64_t at, Sums<M>& acc) {
    add_small_block<Format, M>(block, act, k, at, acc);
  }
};

struct Q4_1 : Small<Q4_1> {
  static constexpr int kBytes = 20 * kTileRows, kRun = 8, kMin = 2 * kTileRows;
  NEXTN_INLINE __m256i weights(const uint8_t* block, int g, int h) { return nibbles(block + 4 * kTileRows, g, h); }
};

struct Q5_0 : Small<Q5_0> {
  static constexpr int kBytes = 22 * kTileRows, kOffset = 16;
  NEXTN_INLINE __m256i weights(const uint8_t* block, int g, int h) {
    return _mm256_or_si256(nibbles(block + 6 * kTileRows, g, h), fifth_bits(block + 2 * kTileRows, g, h));
  }
};

struct Q5_1 : Small<Q5_1> {
  static constexpr int kBytes = 24 * kTileRows, kMin = 2 * kTileRows;
  NEXTN_INLINE __m256i weights(const uint8_t* block, int g, int h) {
    return _mm256_or_si256(nibbles(block + 8 * kTileRows, g, h), fifth_bits(block + 4 * kTileRows, g, h));
  }
};

struct IQ4_NL : Small<IQ4_NL> {
  static constexpr int kBytes = 18 * kTileRows, kRun = 1;
  static constexpr bool kSigned = true;
  NEXTN_INLINE __m256i weights(const uint8_t* block, int g, int h) {
    return look_up(kIq4Values, nibbles(block + 2 * kTileRows, g, h));
  }
};

struct MXFP4 : Small<MXFP4> {
  static constexpr int kBytes = 17 * kTileRows, kOffset = 12;
  NEXTN_INLINE __m256i weights(const uint8_t* block, int g, int h) {
    return look_up_fp4(nibbles(block + kTileRows, g, h));
  }
  // power_of_two() of blocks.h.
  NEXTN_INLINE __m256 scale(const uint8_t* block, int h) {
    const __m256i e = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(block + h * 8)));
    const __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
    const __m256i denormal = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
    return _mm256_castsi256_ps(_mm256_blendv_epi8(denormal, normal, _mm256_cmpgt_epi32(e, _mm256_set1_epi32(1))));
  }
};

struct NVFP4 {
  static constexpr int kInputs = 64, kBytes = 36 * kTileRows;

  // ue4m3_half() of blocks.h for bytes that stand in 16 bits each.
  NEXTN_INLINE __m256 scale(const uint8_t* bytes) {
    const __m128i s = _mm_cvtepu8_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes)));
    const __m128i half = _mm_and_si128(_mm_slli_epi16(s, 7), _mm_set1_epi16(0x3f80));
    const __m128i zero = _mm_cmpeq_epi16(s, _mm_set1_epi16(0x7f));
    return _mm256_mul_ps(_mm256_cvtph_ps(_mm_andnot_si128(zero, half)), _mm256_set1_ps(128.0f));
  }

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* block, const ActRows& act, int64_t k, int64_t at, Sums<M>& acc) {
    prefetch<kBytes, 1>(block, 0);
    for (int b = 0; b < 2; b++) {
      Floats<M> first;
      NEXTN_UNROLL
      for (int j = 0; j < 2; j++) {  // 16 inputs with one scale, in two words
        const uint8_t* qs = block + 4 * kTileRows + (2 * b + j) * 2 * kWord;
        const auto weights = [&](int g, int h) {
          const __m256i both = load(qs + g % 2 * kWord + h * 32);
          return look_up_fp4(_mm256_and_si256(g < 2 ? both : _mm256_srli_epi16(both, 4), _mm256_set1_epi8(15)));
        };
        Ints<M> pairs;
        sum_pairs<M>(weights, act.q + at + 32 * b + 16 * j, k, 0, 4, pairs);
        __m256 d[2];
        NEXTN_UNROLL
        for (int h = 0; h < 2; h++) d[h] = scale(block + (2 * b + j) * kTileRows + h * 8);
        NEXTN_UNROLL
        for (int m = 0; m < M; m++) {
          const int64_t i = m * k + at + 32 * b;
          const __m256i bias = _mm256_set1_epi32(-12 * act.sum[i / 16 + j]);
          NEXTN_UNROLL
          for (int h = 0; h < 2; h++) {
            const __m256i wide = _mm256_madd_epi16(pairs[m][h], _mm256_set1_epi16(1));
            const __m256 dot = _mm256_cvtepi32_ps(_mm256_add_epi32(wide, bias));
            if (j == 0) first[m][h] = _mm256_mul_ps(dot, d[h]);
            if (j == 1) {
              fma_to(acc.v[m] + h * 8, _mm256_fmadd_ps(dot, d[h], first[m][h]), _mm256_set1_ps(act.scale[i / 32]));
            }
          }
        }
      }
    }
  }
};

}  // namespace

void matmul_q4_1(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  RowGroups<Q4_1>::run(args, tile_first, tile_last);
}
void matmul_q5_0(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  RowGroups<Q5_0>::run(args, tile_first, tile_last);
}
void matmul_q5_1(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  RowGroups<Q5_1>::run(args, tile_first, tile_last);
}
void matmul_iq4_nl(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  RowGroups<IQ4_NL>::run(args, tile_first, tile_last);
}
void matmul_mxfp4(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  RowGroups<MXFP4>::run(args, tile_first, tile_last);
}
void matmul_nvfp4(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  RowGroups<NVFP4>::run(args, tile_first, tile_last);
}

}  // namespace nextn::avx2
