// What the matmuls of all integer formats do with the rows of a tile.
//
// One zmm lane is one output row: four bytes of an activation row are broadcast to all lanes and VPDPBUSD adds 16 dots
// of 4 inputs, so nothing is ever summed across lanes. Weights are unpacked once for all M rows; the sums of the M rows
// stay in registers over a block.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/kernels.h"

#define NEXTN_INLINE [[gnu::always_inline]] static inline
#define NEXTN_INLINE_MEMBER [[gnu::always_inline]] inline
#define NEXTN_UNROLL _Pragma("GCC unroll 16")

namespace nextn::avx512 {

constexpr int kWord = 64;  // bytes of a word of 4-byte groups
// Bytes ahead in the stream of weights, and into the second level only: into the first is slower (bench/LOG.md M2-M7,
// P1).
constexpr int kPrefetch = 6144;
constexpr int kGroups = 32 / 4;  // 4-byte groups of 32 inputs

struct Words {
  __m512i v[kGroups];  // 32 unsigned weights of each of 16 rows
  NEXTN_INLINE_MEMBER __m512i operator()(int g) const { return v[g]; }
};

NEXTN_INLINE __m512i word_at(const uint8_t* p) {
  return _mm512_loadu_si512(p);
}
NEXTN_INLINE __m512 halves_at(const uint8_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
// The lines that stand kPrefetch ahead of part `part` of `parts` of a block; in the order of addresses, whatever the
// order in which the block is read. kSparse: the first of every three of a part's, for a kernel so fast that its
// loads alone keep as many misses under way as a core can have (bench/LOG.md P1).
template <int bytes, int parts, bool kSparse = false>
NEXTN_INLINE void prefetch(const uint8_t* block, int part) {
  constexpr int lines = (bytes + 64 * parts - 1) / (64 * parts);
  NEXTN_UNROLL
  for (int i = 0; i < lines; i += kSparse ? 3 : 1) {
    _mm_prefetch(reinterpret_cast<const char*>(block) + kPrefetch + (part * lines + i) * 64, _MM_HINT_T1);
  }
}

// The activations of a block: row 0's from its first input on, and how far the rows are apart.
struct Acts {
  const int8_t* q;
  const float* scale;  // one of 32 inputs
  const int16_t* sum;  // one of 16 inputs
  int64_t k, k_scale, k_sum;

  NEXTN_INLINE_MEMBER Acts from(int64_t input) const {
    return {q + input, scale + input / 32, sum + input / 16, k, k_scale, k_sum};
  }
  NEXTN_INLINE_MEMBER __m512 scale_of(int m) const { return _mm512_set1_ps(scale[m * k_scale]); }
  NEXTN_INLINE_MEMBER int sum_of(int m, int i) const { return sum[m * k_sum + i]; }
};

// sum += the dots of 16 times 4 unsigned weights with the same 4 activations. GCC 12 would broadcast these with an
// instruction of its own.
NEXTN_INLINE void add_dots(__m512i& sum, __m512i weights, const int8_t* four) {
  struct [[gnu::packed, gnu::may_alias]] Four {
    int32_t v;
  };
  const Four& x = *reinterpret_cast<const Four*>(four);
#ifdef NEXTN_EMULATE_AVX512
  sum = _mm512_dpbusd_epi32(sum, weights, _mm512_set1_epi32(x.v));
#else
  asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(weights), "m"(x));
#endif
}

// sum += each lane's two 16-bit halves times the same two numbers.
NEXTN_INLINE void add_pairs(__m512i& sum, __m512i halves, const int16_t* two) {
  struct [[gnu::packed, gnu::may_alias]] Two {
    int32_t v;
  };
  const Two& x = *reinterpret_cast<const Two*>(two);
#ifdef NEXTN_EMULATE_AVX512
  sum = _mm512_dpwssd_epi32(sum, halves, _mm512_set1_epi32(x.v));
#else
  asm("vpdpwssd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(halves), "m"(x));
#endif
}

// sums[m] += the dots of groups [first, last) with row m's activations; weights(g) are the unsigned weights of group
// g. All rows advance together, and few rows in two chains each: a VPDPBUSD takes five cycles, and there are two a
// cycle (bench/LOG.md V1).
template <int M, class Weights>
NEXTN_INLINE void dots(const Weights& weights, const Acts& act, int first, int last, __m512i (&sums)[M]) {
  constexpr int kChains = M <= 4 ? 2 : 1;
  __m512i odd[M] = {};
  NEXTN_UNROLL
  for (int g = first; g < last; g++) {
    const __m512i w = weights(g);
    NEXTN_UNROLL
    for (int m = 0; m < M; m++) {
      add_dots(kChains == 2 && g % 2 ? odd[m] : sums[m], w, act.q + m * act.k + 4 * g);
    }
  }
  if constexpr (kChains == 2) {
    NEXTN_UNROLL
    for (int m = 0; m < M; m++) sums[m] = _mm512_add_epi32(sums[m], odd[m]);
  }
}

// sums[m] = -kOffset times the sum of row m's 32 activations: what weights with kOffset added count too much.
template <int M, int kOffset>
NEXTN_INLINE void bias(const Acts& act, __m512i (&sums)[M]) {
  NEXTN_UNROLL
  for (int m = 0; m < M; m++) sums[m] = _mm512_set1_epi32(-kOffset * (act.sum_of(m, 0) + act.sum_of(m, 1)));
}

// The same for each half of the 32 by itself, and their dots.
template <int M, int kOffset, class Weights>
NEXTN_INLINE void half_dots(const Weights& weights, const Acts& act, __m512i (&first)[M], __m512i (&last)[M]) {
  NEXTN_UNROLL
  for (int m = 0; m < M; m++) {
    first[m] = _mm512_set1_epi32(-kOffset * act.sum_of(m, 0));
    last[m] = _mm512_set1_epi32(-kOffset * act.sum_of(m, 1));
  }
  dots<M>(weights, act, 0, kGroups / 2, first);
  dots<M>(weights, act, kGroups / 2, kGroups, last);
}

// Group g of 8 whose nibbles stand in four words: the low ones are groups 0 .. 3, the high ones 4 .. 7.
NEXTN_INLINE __m512i nibbles_of(const uint8_t* words, int g) {
  const __m512i both = word_at(words + g % 4 * kWord);
  return _mm512_and_si512(g < 4 ? both : _mm512_srli_epi16(both, 4), _mm512_set1_epi8(15));
}

// Bytes shifted left by n, right for negative n; bits that come from the neighbouring byte are for the caller to mask.
template <int N>
NEXTN_INLINE __m512i shift(__m512i x) {
  if constexpr (N > 0) return _mm512_slli_epi16(x, N);
  if constexpr (N < 0) return _mm512_srli_epi16(x, -N);
  return x;
}

// The low nibbles of `low`, the other bits from `high`, what is outside of `keep` cleared.
NEXTN_INLINE __m512i join(__m512i low, __m512i high, int keep) {
  const __m512i nibble = _mm512_set1_epi8(15);
  return _mm512_and_si512(_mm512_ternarylogic_epi64(nibble, low, high, 0xca),
                          _mm512_set1_epi8(static_cast<char>(keep)));
}

// acc[m] += total[m] a d, a being row m's activation scale.
template <int M>
NEXTN_INLINE void add_scaled(const __m512i (&total)[M], const Acts& act, __m512 d, __m512 (&acc)[M]) {
  NEXTN_UNROLL
  for (int m = 0; m < M; m++) {
    acc[m] = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(total[m]), act.scale_of(m)), d, acc[m]);
  }
}
NEXTN_INLINE __m512 minus(__m512 x) {
  return _mm512_xor_ps(x, _mm512_set1_ps(-0.0f));
}

// Stores the outputs of tile t that the matrix has.
NEXTN_INLINE void store(const MatmulArgs& args, int64_t t, int m, __m512 acc) {
  const int64_t valid = args.n_out - t * kTileRows;
  const __mmask16 mask = valid >= kTileRows ? 0xffff : static_cast<__mmask16>((1u << valid) - 1);
  _mm512_mask_storeu_ps(args.y + m * args.y_stride + t * kTileRows, mask, acc);
}

template <class Format, int M>
static void tiles(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  const int64_t k = args.k;
  const uint8_t* block = args.w + tile_first * (k / Format::kInputs) * Format::kBytes;
  for (int64_t t = tile_first; t < tile_last; t++) {
    __m512 acc[M] = {};
    Acts act = {args.act.q, args.act.scale, args.act.sum, k, k / 32, k / 16};
    for (int64_t at = 0; at < k; at += Format::kInputs, block += Format::kBytes, act = act.from(Format::kInputs)) {
      Format::template add_block<M>(block, act, acc);
    }
    NEXTN_UNROLL
    for (int m = 0; m < M; m++) store(args, t, m, acc[m]);
  }
}

template <class Format>
struct BlockKernel {
  template <int M>
  static void run(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
    tiles<Format, M>(args, tile_first, tile_last);
  }
};

template <class Kernel>
static void for_rows(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  switch (args.n_rows) {
    case 1:
      return Kernel::template run<1>(args, tile_first, tile_last);
    case 2:
      return Kernel::template run<2>(args, tile_first, tile_last);
    case 3:
      return Kernel::template run<3>(args, tile_first, tile_last);
    case 4:
      return Kernel::template run<4>(args, tile_first, tile_last);
    case 5:
      return Kernel::template run<5>(args, tile_first, tile_last);
    case 6:
      return Kernel::template run<6>(args, tile_first, tile_last);
    case 7:
      return Kernel::template run<7>(args, tile_first, tile_last);
    case 8:
      return Kernel::template run<8>(args, tile_first, tile_last);
  }
}

}  // namespace nextn::avx512
