// Matmul on 16-row interleaved tiles with AVX-512 VNNI; scalar/matmul.cc defines the numbers.
#include "kernels/avx512/functions.h"
#include "kernels/avx512/tile.h"
#include "quant/blocks.h"

namespace nextn::avx512 {

namespace {

constexpr int64_t kFloatRun = 256;  // inputs of a float format that rows 0-3 and 4-7 pass over in turn

struct Q8_0 {
  static constexpr int kInputs = 32, kBytes = 34 * kTileRows;

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* block, const Acts& act, __m512 (&acc)[M]) {
    prefetch<kBytes, 1>(block, 0);
    const __m512 d = halves_at(block);
    __m512i s[M];
    bias<M, 128>(act, s);
    dots<M>([&](int g) { return word_at(block + 32 + g * kWord); }, act, 0, kGroups, s);
    NEXTN_UNROLL
    for (int m = 0; m < M; m++) {
      acc[m] = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(s[m]), act.scale_of(m)), d, acc[m]);
    }
  }
};

struct Q4_0 {
  static constexpr int kInputs = 32, kBytes = 18 * kTileRows;

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* block, const Acts& act, __m512 (&acc)[M]) {
    prefetch<kBytes, 1>(block, 0);
    const __m512 d = halves_at(block);
    __m512i s[M];
    bias<M, 8>(act, s);
    dots<M>([&](int g) { return nibbles_of(block + 32, g); }, act, 0, kGroups, s);
    NEXTN_UNROLL
    for (int m = 0; m < M; m++) {
      acc[m] = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(s[m]), act.scale_of(m)), d, acc[m]);
    }
  }
};

// What Q4_K and Q5_K have in common: 6-bit scales and minima of the 8 sub-blocks.
template <int M>
struct ScaleMin {
  alignas(64) uint8_t scale[8][kTileRows];
  alignas(64) uint8_t min[8][kTileRows];
  alignas(32) float a_sum[M][8];  // scale times sum of each 32 activations

  NEXTN_INLINE __m512 to_float(const uint8_t (&bytes)[kTileRows]) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(bytes))));
  }
};

template <int M>
NEXTN_INLINE void unpack_scales(const uint8_t* scales, const Acts& act, ScaleMin<M>& s) {
  const __m512i six = _mm512_set1_epi8(63), four = _mm512_set1_epi8(15), top = _mm512_set1_epi8(0x30);
  const __m512i b0 = word_at(scales), b4 = word_at(scales + kWord), b8 = word_at(scales + 2 * kWord);
  _mm512_store_si512(s.scale[0], _mm512_and_si512(b0, six));
  _mm512_store_si512(s.min[0], _mm512_and_si512(b4, six));
  _mm512_store_si512(s.scale[4],
                     _mm512_or_si512(_mm512_and_si512(b8, four), _mm512_and_si512(_mm512_srli_epi16(b0, 2), top)));
  _mm512_store_si512(s.min[4], _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi16(b8, 4), four),
                                               _mm512_and_si512(_mm512_srli_epi16(b4, 2), top)));
  NEXTN_UNROLL
  for (int m = 0; m < M; m++) {
    const __m256i* sum = reinterpret_cast<const __m256i*>(act.sum + m * act.k_sum);
    const __m256i pairs =
        _mm256_permute4x64_epi64(_mm256_hadd_epi32(_mm256_loadu_si256(sum), _mm256_loadu_si256(sum + 1)), 0xd8);
    _mm256_store_ps(s.a_sum[m], _mm256_mul_ps(_mm256_loadu_ps(act.scale + m * act.k_scale), _mm256_cvtepi32_ps(pairs)));
  }
}

// Adds sub-block b to the sums of a superblock; weights(g) are the weights of its group g, act its activations.
template <int M, class Weights>
NEXTN_INLINE void add_sub_block(const Weights& weights, __m512 scale, int b, const ScaleMin<M>& s, const Acts& act,
                                __m512 (&block)[M], __m512 (&mins)[M]) {
  __m512i d[M] = {};
  dots<M>(weights, act, 0, kGroups, d);
  const __m512 min = ScaleMin<M>::to_float(s.min[b]);
  NEXTN_UNROLL
  for (int m = 0; m < M; m++) {
    block[m] = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(d[m]), scale), act.scale_of(m), block[m]);
    mins[m] = _mm512_fmadd_ps(min, _mm512_set1_ps(s.a_sum[m][b]), mins[m]);
  }
}

template <int M>
NEXTN_INLINE void add_superblock(const uint8_t* super, const __m512 (&block)[M], const __m512 (&mins)[M],
                                 __m512 (&acc)[M]) {
  const __m512 d = halves_at(super), dmin = halves_at(super + 32);
  NEXTN_UNROLL
  for (int m = 0; m < M; m++) acc[m] = _mm512_fnmadd_ps(dmin, mins[m], _mm512_fmadd_ps(d, block[m], acc[m]));
}

struct Q4_K {
  static constexpr int kInputs = 256, kBytes = 144 * kTileRows;

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* super, const Acts& act, __m512 (&acc)[M]) {
    ScaleMin<M> s;
    unpack_scales<M>(super + 4 * kTileRows, act, s);
    __m512 block[M] = {}, mins[M] = {};
    for (int c = 0; c < 4; c++) {
      const uint8_t* qs = super + 16 * kTileRows + c * kGroups * kWord;
      prefetch<kBytes, 4>(super, c);
      const auto low = [&](int g) { return _mm512_and_si512(word_at(qs + g * kWord), _mm512_set1_epi8(15)); };
      add_sub_block<M>(low, ScaleMin<M>::to_float(s.scale[2 * c]), 2 * c, s, act.from(64 * c), block, mins);
      // The high nibbles stay where they are, 16 times too large; the scale makes good for it, exactly.
      const auto high = [&](int g) {
        return _mm512_and_si512(word_at(qs + g * kWord), _mm512_set1_epi8(static_cast<char>(0xf0)));
      };
      const __m512 scale = _mm512_mul_ps(ScaleMin<M>::to_float(s.scale[2 * c + 1]), _mm512_set1_ps(1.0f / 16));
      add_sub_block<M>(high, scale, 2 * c + 1, s, act.from(64 * c + 32), block, mins);
    }
    add_superblock<M>(super, block, mins, acc);
  }
};

struct Q5_K {
  static constexpr int kInputs = 256, kBytes = 176 * kTileRows;

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* super, const Acts& act, __m512 (&acc)[M]) {
    ScaleMin<M> s;
    unpack_scales<M>(super + 4 * kTileRows, act, s);
    __m512 block[M] = {}, mins[M] = {};
    for (int b = 0; b < 8; b += 2) {
      const uint8_t* qh = super + 16 * kTileRows;
      const uint8_t* qs = super + 48 * kTileRows + b / 2 * kGroups * kWord;
      prefetch<kBytes, 4>(super, b / 2);
      // Bit b of every byte is turned to bit 4. A loop, for eight copies of this are slower (bench/LOG.md V2).
      const __m512i turn = _mm512_set1_epi32(4 - b), turn_odd = _mm512_set1_epi32(3 - b);
      const auto low = [&](int g) {
        return join(word_at(qs + g * kWord), _mm512_rolv_epi32(word_at(qh + g * kWord), turn), 0x1f);
      };
      add_sub_block<M>(low, ScaleMin<M>::to_float(s.scale[b]), b, s, act.from(32 * b), block, mins);
      const auto high = [&](int g) {
        return join(shift<-4>(word_at(qs + g * kWord)), _mm512_rolv_epi32(word_at(qh + g * kWord), turn_odd), 0x1f);
      };
      add_sub_block<M>(high, ScaleMin<M>::to_float(s.scale[b + 1]), b + 1, s, act.from(32 * b + 32), block, mins);
    }
    add_superblock<M>(super, block, mins, acc);
  }
};

struct Q6_K {
  static constexpr int kInputs = 256, kBytes = 210 * kTileRows;

  // Part P of a half superblock: the 32 inputs that take bits 2P and 2P + 1 of qh.
  template <int M, int P>
  NEXTN_INLINE void sub_block(const uint8_t* super, int half, const int32_t (&bias)[M][16], const Acts& act,
                              __m512 (&block)[M]) {
    const int b = 4 * half + P;
    const uint8_t* qh = super + 18 * kTileRows + half * kGroups * kWord;
    const uint8_t* ql = super + 82 * kTileRows + (2 * half + P % 2) * kGroups * kWord;
    prefetch<kBytes, 8>(super, b);
    const auto weights = [&](int g) {
      return join(shift<P / 2 * -4>(word_at(ql + g * kWord)), shift<4 - 2 * P>(word_at(qh + g * kWord)), 0x3f);
    };
    __m512i first[M], second[M];
    NEXTN_UNROLL
    for (int m = 0; m < M; m++) {
      first[m] = _mm512_set1_epi32(bias[m][2 * b]);
      second[m] = _mm512_set1_epi32(bias[m][2 * b + 1]);
    }
    dots<M>(weights, act, 0, 4, first);
    dots<M>(weights, act, 4, 8, second);
    const __m128i* scales = reinterpret_cast<const __m128i*>(super + 2 * kTileRows) + 2 * b;
    const __m512 scale0 = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(scales)));
    const __m512 scale1 = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(scales + 1)));
    NEXTN_UNROLL
    for (int m = 0; m < M; m++) {
      // Below 2^24 throughout, so this float sum is the exact integer.
      const __m512 scaled =
          _mm512_fmadd_ps(_mm512_cvtepi32_ps(first[m]), scale0, _mm512_mul_ps(_mm512_cvtepi32_ps(second[m]), scale1));
      block[m] = _mm512_fmadd_ps(scaled, act.scale_of(m), block[m]);
    }
  }

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* super, const Acts& act, __m512 (&acc)[M]) {
    alignas(64) int32_t bias[M][16];
    NEXTN_UNROLL
    for (int m = 0; m < M; m++) {
      const __m512i sum = _mm512_loadu_si512(act.sum + m * act.k_sum);
      _mm512_store_si512(bias[m], _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(sum, 5)));
    }
    __m512 block[M] = {};
    for (int half = 0; half < 2; half++) {
      sub_block<M, 0>(super, half, bias, act.from(128 * half + 0), block);
      sub_block<M, 1>(super, half, bias, act.from(128 * half + 32), block);
      sub_block<M, 2>(super, half, bias, act.from(128 * half + 64), block);
      sub_block<M, 3>(super, half, bias, act.from(128 * half + 96), block);
    }
    const __m512 d = halves_at(super);
    NEXTN_UNROLL
    for (int m = 0; m < M; m++) acc[m] = _mm512_fmadd_ps(d, block[m], acc[m]);
  }
};

struct IQ4_XS {
  static constexpr int kInputs = 256, kBytes = 136 * kTileRows;

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* super, const Acts& act, __m512 (&acc)[M]) {
    // The table's values + 128, for VPDPBUSD wants unsigned ones.
    const __m512i values = _mm512_xor_si512(
        _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kIq4Values))), _mm512_set1_epi8(-128));
    const __m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(super + 32)));
    __m512 block[M] = {};
    for (int b = 0; b < 8; b++) {
      const uint8_t* qs = super + 8 * kTileRows + b * 4 * kWord;
      prefetch<kBytes, 8>(super, b);
      const __m128i* nibbles = reinterpret_cast<const __m128i*>(super + 4 * kTileRows) + b / 2;
      const __m512i four = _mm512_and_si512(
          _mm512_srl_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128(nibbles)), _mm_cvtsi32_si128(b % 2 * 4)),
          _mm512_set1_epi32(15));
      const __m512i two = _mm512_and_si512(_mm512_srl_epi32(high, _mm_cvtsi32_si128(2 * b)), _mm512_set1_epi32(3));
      const __m512 scale =
          _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_or_si512(four, _mm512_slli_epi32(two, 4)), _mm512_set1_epi32(32)));
      const Acts a = act.from(32 * b);
      __m512i s[M];
      bias<M, 128>(a, s);
      dots<M>([&](int g) { return _mm512_shuffle_epi8(values, nibbles_of(qs, g)); }, a, 0, kGroups, s);
      NEXTN_UNROLL
      for (int m = 0; m < M; m++) {
        block[m] = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(s[m]), scale), a.scale_of(m), block[m]);
      }
    }
    const __m512 d = halves_at(super);
    NEXTN_UNROLL
    for (int m = 0; m < M; m++) acc[m] = _mm512_fmadd_ps(d, block[m], acc[m]);
  }
};

struct F32 {
  static constexpr int kBytes = 4 * kTileRows;
  NEXTN_INLINE __m512 load(const uint8_t* w) { return _mm512_loadu_ps(w); }
};

struct F16 {
  static constexpr int kBytes = 2 * kTileRows;
  NEXTN_INLINE __m512 load(const uint8_t* w) { return halves_at(w); }
};

struct BF16 {
  static constexpr int kBytes = 2 * kTileRows;
  NEXTN_INLINE __m512 load(const uint8_t* w) {
    const __m256i h = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
  }
};

// Adds n inputs to the four partial sums of each of M rows; x is the first row's first input.
template <class Format, int M>
NEXTN_INLINE void add_inputs(const uint8_t* w, const float* x, int64_t k, int64_t n, __m512 (*sums)[4]) {
  __m512 p[M][4];
  NEXTN_UNROLL
  for (int m = 0; m < M; m++) {
    NEXTN_UNROLL
    for (int j = 0; j < 4; j++) p[m][j] = sums[m][j];
  }
  int64_t i = 0;
  for (; i + 4 <= n; i += 4, w += 4 * Format::kBytes) {
    prefetch<4 * Format::kBytes, 1>(w, 0);
    NEXTN_UNROLL
    for (int j = 0; j < 4; j++) {
      const __m512 weight = Format::load(w + j * Format::kBytes);
      NEXTN_UNROLL
      for (int m = 0; m < M; m++) p[m][j] = _mm512_fmadd_ps(weight, _mm512_set1_ps(x[m * k + i + j]), p[m][j]);
    }
  }
  NEXTN_UNROLL
  for (int j = 0; j < 3; j++) {
    if (i + j >= n) break;
    const __m512 weight = Format::load(w + j * Format::kBytes);
    NEXTN_UNROLL
    for (int m = 0; m < M; m++) p[m][j] = _mm512_fmadd_ps(weight, _mm512_set1_ps(x[m * k + i + j]), p[m][j]);
  }
  NEXTN_UNROLL
  for (int m = 0; m < M; m++) {
    NEXTN_UNROLL
    for (int j = 0; j < 4; j++) sums[m][j] = p[m][j];
  }
}

template <class Format, int M>
void float_tiles(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  const int64_t k = args.k;
  const float* x = args.act.x;
  const uint8_t* w = args.w + tile_first * k * Format::kBytes;
  for (int64_t t = tile_first; t < tile_last; t++) {
    __m512 p[M][4] = {};
    for (int64_t at = 0; at < k; at += kFloatRun) {
      const int64_t n = k - at < kFloatRun ? k - at : kFloatRun;
      constexpr int kFirst = M < 4 ? M : 4;  // 16 sums fit the registers, 32 do not
      add_inputs<Format, kFirst>(w, x + at, k, n, p);
      if constexpr (M > 4) add_inputs<Format, M - 4>(w, x + 4 * k + at, k, n, p + 4);
      w += n * Format::kBytes;
    }
    for (int m = 0; m < M; m++) {
      store(args, t, m, _mm512_add_ps(_mm512_add_ps(p[m][0], p[m][1]), _mm512_add_ps(p[m][2], p[m][3])));
    }
  }
}

template <class Format>
struct FloatKernel {
  template <int M>
  static void run(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
    float_tiles<Format, M>(args, tile_first, tile_last);
  }
};

}  // namespace

void matmul_f32(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<FloatKernel<F32>>(args, tile_first, tile_last);
}
void matmul_f16(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<FloatKernel<F16>>(args, tile_first, tile_last);
}
void matmul_bf16(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<FloatKernel<BF16>>(args, tile_first, tile_last);
}
void matmul_q8_0(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<Q8_0>>(args, tile_first, tile_last);
}
void matmul_q4_0(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<Q4_0>>(args, tile_first, tile_last);
}
void matmul_q4_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<Q4_K>>(args, tile_first, tile_last);
}
void matmul_q5_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<Q5_K>>(args, tile_first, tile_last);
}
void matmul_q6_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<Q6_K>>(args, tile_first, tile_last);
}

void matmul_iq4_xs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  for_rows<BlockKernel<IQ4_XS>>(args, tile_first, tile_last);
}

}  // namespace nextn::avx512
