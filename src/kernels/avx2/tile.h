// What the matmuls of all integer formats do with the rows of a tile.
//
// One 32-bit lane is one output row, a tile is two halves of 8 rows. Four bytes of an activation row are broadcast to
// all lanes and VPMADDUBSW multiplies them with the unsigned weights into pairs of 16-bit sums; these never saturate,
// because only as many words are added before VPMADDWD widens them as the weights' range allows. A block's scales
// multiply as integers in VPMADDWD, at no cost.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/kernels.h"

#define NEXTN_INLINE [[gnu::always_inline]] static inline
#define NEXTN_INLINE_MEMBER [[gnu::always_inline]] inline
#define NEXTN_UNROLL _Pragma("GCC unroll 16")

namespace nextn::avx2 {

constexpr int kWord = 64;  // bytes of a word of 4-byte groups of 16 rows; 32 of them belong to one half
// Bytes ahead in the stream of weights, and into the second level only (bench/LOG.md M2-M7).
constexpr int kPrefetch = 6144;
constexpr int kGroups = 32 / 4;  // 4-byte groups of 32 inputs

constexpr int kMaxRows = 4;  // whose sums fit the registers

// One register for each row and half of a tile.
template <int M>
using Ints = __m256i[M][2];
template <int M>
using Floats = __m256[M][2];

// Sums of M activation rows over a tile.
template <int M>
struct Sums {
  alignas(32) float v[M > 0 ? M : 1][kTileRows];
};

NEXTN_INLINE __m256i load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
NEXTN_INLINE __m256 halves_at(const uint8_t* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
// The lines that stand kPrefetch ahead of part `part` of `parts` of a block; in the order of addresses, whatever the
// order in which the block is read.
template <int bytes, int parts>
NEXTN_INLINE void prefetch(const uint8_t* block, int part) {
  constexpr int lines = (bytes + 64 * parts - 1) / (64 * parts);
  NEXTN_UNROLL
  for (int i = 0; i < lines; i++) {
    _mm_prefetch(reinterpret_cast<const char*>(block) + kPrefetch + (part * lines + i) * 64, _MM_HINT_T1);
  }
}
NEXTN_INLINE void fma_to(float* sum, __m256 a, __m256 b) {
  _mm256_store_ps(sum, _mm256_fmadd_ps(a, b, _mm256_load_ps(sum)));
}
NEXTN_INLINE __m256i four_at(const int8_t* q) {
  int32_t four;
  std::memcpy(&four, q, sizeof four);
  return _mm256_set1_epi32(four);
}
// Keeps the compiler from collecting the terms of a sum in memory to add them all in a tree.
NEXTN_INLINE void in_order(__m256i& sum) {
  asm("" : "+x"(sum));
}
// Byte r of 8 in lane r, and in both 16-bit halves of it: a factor for VPMADDWD.
NEXTN_INLINE __m256i spread(const uint8_t* bytes, __m256i how) {
  int64_t eight;
  std::memcpy(&eight, bytes, sizeof eight);
  return _mm256_shuffle_epi8(_mm256_set1_epi64x(eight), how);
}
NEXTN_INLINE __m256i twice_at(const uint8_t* bytes) {
  return spread(bytes, _mm256_setr_epi8(0, -1, 0, -1, 1, -1, 1, -1, 2, -1, 2, -1, 3, -1, 3, -1, 4, -1, 4, -1, 5, -1, 5,
                                        -1, 6, -1, 6, -1, 7, -1, 7, -1));
}

// Sums of pairs of products over the 4-byte groups [first, last), in 16 bits; weights(g, h) are the unsigned weights of
// group g and half h, and q is row 0's group 0. At most 8 groups of weights up to 15, 4 of up to 31.
template <int M, class Weights>
NEXTN_INLINE void sum_pairs(const Weights& weights, const int8_t* q, int64_t k, int first, int last, Ints<M>& sums) {
  NEXTN_UNROLL
  for (int g = first; g < last; g++) {
    __m256i w[2];
    NEXTN_UNROLL
    for (int h = 0; h < 2; h++) w[h] = weights(g, h);
    NEXTN_UNROLL
    for (int m = 0; m < M; m++) {
      const __m256i x = four_at(q + m * k + 4 * g);
      NEXTN_UNROLL
      for (int h = 0; h < 2; h++) {
        const __m256i pairs = _mm256_maddubs_epi16(w[h], x);
        sums[m][h] = g == first ? pairs : _mm256_add_epi16(sums[m][h], pairs);
        in_order(sums[m][h]);
      }
    }
  }
}

// The same for signed weights: VPMADDUBSW gets |w| and q with the sign of w, or, which is less work for a single row,
// |q| and w with the sign of q (kSizeOfQ; not for w = -128). At most 4 groups of |w| up to 32, one of up to 128.
template <int M, bool kSizeOfQ = false, class Weights>
NEXTN_INLINE void sum_signed_pairs(const Weights& weights, const int8_t* q, int64_t k, int first, int last,
                                   Ints<M>& sums) {
  NEXTN_UNROLL
  for (int g = first; g < last; g++) {
    __m256i w[2], size[2];
    NEXTN_UNROLL
    for (int h = 0; h < 2; h++) {
      w[h] = weights(g, h);
      if constexpr (!kSizeOfQ) size[h] = _mm256_abs_epi8(w[h]);
    }
    NEXTN_UNROLL
    for (int m = 0; m < M; m++) {
      const __m256i x = four_at(q + m * k + 4 * g);
      NEXTN_UNROLL
      for (int h = 0; h < 2; h++) {
        const __m256i pairs = kSizeOfQ ? _mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(w[h], x))
                                       : _mm256_maddubs_epi16(size[h], _mm256_sign_epi8(x, w[h]));
        sums[m][h] = g == first ? pairs : _mm256_add_epi16(sums[m][h], pairs);
        in_order(sums[m][h]);
      }
    }
  }
}

// ints += the sums of the pairs, times `by`.
template <int M>
NEXTN_INLINE void widen(const Ints<M>& pairs, const __m256i (&by)[2], Ints<M>& ints) {
  NEXTN_UNROLL
  for (int m = 0; m < M; m++) {
    NEXTN_UNROLL
    for (int h = 0; h < 2; h++) ints[m][h] = _mm256_add_epi32(ints[m][h], _mm256_madd_epi16(pairs[m][h], by[h]));
  }
}

// Sums of M rows += ints * a * d; a is row 0's activation scale, the rows' are `stride` apart.
template <int M>
NEXTN_INLINE void add_scaled(const Ints<M>& ints, const float* a, int64_t stride, const __m256 (&d)[2], Sums<M>& acc) {
  NEXTN_UNROLL
  for (int m = 0; m < M; m++) {
    const __m256 scale = _mm256_set1_ps(a[m * stride]);
    NEXTN_UNROLL
    for (int h = 0; h < 2; h++) fma_to(acc.v[m] + h * 8, _mm256_mul_ps(_mm256_cvtepi32_ps(ints[m][h]), scale), d[h]);
  }
}

template <int M>
NEXTN_INLINE void clear(Ints<M>& ints) {
  NEXTN_UNROLL
  for (int m = 0; m < M; m++) {
    NEXTN_UNROLL
    for (int h = 0; h < 2; h++) ints[m][h] = _mm256_setzero_si256();
  }
}

// Two 16-bit numbers as the factors of VPMADDWD for all lanes.
NEXTN_INLINE __m256i pair_at(const int16_t* two) {
  int32_t pair;
  std::memcpy(&pair, two, sizeof pair);
  return _mm256_set1_epi32(pair);
}

// ints += the sums of the first and the last 16 of 32 activations times the halves of each lane's `pairs`; sum is row
// 0's, the rows' are `stride` apart.
template <int M>
NEXTN_INLINE void add_sums(const __m256i (&pairs)[2], const int16_t* sum, int64_t stride, Ints<M>& ints) {
  NEXTN_UNROLL
  for (int m = 0; m < M; m++) {
    NEXTN_UNROLL
    for (int h = 0; h < 2; h++) {
      ints[m][h] = _mm256_add_epi32(ints[m][h], _mm256_madd_epi16(pairs[h], pair_at(sum + m * stride)));
    }
  }
}

// Bytes shifted left by n, right for negative n; bits that come from the neighbouring byte are for the caller to mask.
template <int N>
NEXTN_INLINE __m256i shift(__m256i x) {
  if constexpr (N > 0) return _mm256_slli_epi16(x, N);
  if constexpr (N < 0) return _mm256_srli_epi16(x, -N);
  return x;
}

// The low nibbles of `low`, and of `high` the bits above them that are in `keep`.
NEXTN_INLINE __m256i join(__m256i low, __m256i high, int keep) {
  return _mm256_or_si256(_mm256_and_si256(low, _mm256_set1_epi8(15)),
                         _mm256_and_si256(high, _mm256_set1_epi8(static_cast<char>(keep))));
}

// Stores the outputs of tile t that the matrix has.
NEXTN_INLINE void store(const MatmulArgs& args, int64_t t, int m, const float* sums) {
  const int64_t left = args.n_out - t * kTileRows, valid = left < kTileRows ? left : kTileRows;
  std::memcpy(args.y + m * args.y_stride + t * kTileRows, sums, static_cast<size_t>(valid) * sizeof(float));
}

// The rows of a call as one group, or two of nearly equal size that pass over each tile in turn: fewer kernels to
// compile than with both on each block (matmul.cc).
template <class Format>
struct RowGroups {
  template <int M>
  static void tile(const MatmulArgs& args, int64_t t, int first) {
    const int64_t k = args.k, at = first * k;
    const ActRows act = {nullptr, args.act.q + at, args.act.scale + at / 32, args.act.sum + at / 16};
    const uint8_t* block = args.w + t * (k / Format::kInputs) * Format::kBytes;
    Sums<M> sums = {};
    for (int64_t i = 0; i < k; i += Format::kInputs, block += Format::kBytes) {
      Format::template add_block<M>(block, act, k, i, sums);
    }
    for (int m = 0; m < M; m++) store(args, t, first + m, sums.v[m]);
  }

  static void some_rows(const MatmulArgs& args, int64_t t, int first, int n) {
    switch (n) {
      case 1:
        return tile<1>(args, t, first);
      case 2:
        return tile<2>(args, t, first);
      case 3:
        return tile<3>(args, t, first);
      case 4:
        return tile<4>(args, t, first);
    }
  }

  static void run(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
    const int n = args.n_rows, first = n <= kMaxRows ? n : (n + 1) / 2;
    for (int64_t t = tile_first; t < tile_last; t++) {
      some_rows(args, t, 0, first);
      if (n > first) some_rows(args, t, first, n - first);
    }
  }
};

}  // namespace nextn::avx2
