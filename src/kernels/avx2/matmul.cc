// Matmul on 16-row interleaved tiles with AVX2; scalar/matmul.cc defines the numbers.
//
// One 32-bit lane is one output row, a tile is two halves of 8 rows. Four bytes of an activation row are broadcast to
// all lanes and VPMADDUBSW multiplies them with the unsigned weights into pairs of 16-bit sums; these never saturate,
// because only as many words are added before VPMADDWD widens them as the weights' range allows. There are too few
// registers for M = 8: the sums of the rows live in a small array on the stack.
#include "kernels/avx2/functions.h"

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#define NEXTN_INLINE [[gnu::always_inline]] static inline
#define NEXTN_UNROLL _Pragma("GCC unroll 16")

namespace nextn::avx2 {

namespace {

constexpr int kWord = 64;  // bytes of a word of 4-byte groups of 16 rows; 32 of them belong to one half
// Bytes ahead in the stream of weights, and into the second level only: into the first, Q6_K runs at half the speed
// (bench/LOG.md M2-M7).
constexpr int kPrefetch = 6144;
constexpr int kGroups = 32 / 4;     // 4-byte groups of 32 inputs
constexpr int64_t kFloatRun = 256;  // inputs of a float format that the rows pass over in turn

struct Words {
  __m256i v[kGroups];  // 32 weights of each of 8 rows
};

// Sums of M activation rows, two halves of a tile each.
template <int M>
struct Sums {
  alignas(32) float v[M][2][8];

  NEXTN_INLINE void clear(Sums& s) { std::memset(s.v, 0, sizeof s.v); }
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

// start + the dots of groups [first, last) of unsigned weights with the activations q. `together` words may be added in
// 16 bits: 8 of up to 15 * 127 * 2, 4 of up to 31 * 127 * 2, 2 of up to 63 * 127 * 2.
template <int together>
NEXTN_INLINE __m256i dot(__m256i start, const Words& w, const int8_t* q, int first, int last) {
  NEXTN_UNROLL
  for (int g = first; g < last; g += together) {
    __m256i pairs = _mm256_maddubs_epi16(w.v[g], four_at(q + 4 * g));
    NEXTN_UNROLL
    for (int i = 1; i < together; i++) {
      pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(w.v[g + i], four_at(q + 4 * (g + i))));
    }
    start = _mm256_add_epi32(start, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  return start;
}

struct Q8_0 {
  static constexpr int kInputs = 32, kBytes = 34 * kTileRows;

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* block, const ActRows& act, int64_t k, int64_t at, Sums<M>& acc) {
    prefetch<kBytes, 1>(block, 0);
    for (int half = 0; half < 2; half++) {
      // Signed again: VPMADDUBSW gets |w| and q with the sign of w, at most 128 * 127 * 2 = 32512 in a pair.
      Words w;
      NEXTN_UNROLL
      for (int g = 0; g < kGroups; g++) {
        w.v[g] = _mm256_xor_si256(load(block + 32 + g * kWord + half * 32), _mm256_set1_epi8(-128));
      }
      const __m256 d = halves_at(block + half * 16);
      for (int m = 0; m < M; m++) {
        const int64_t i = m * k + at;
        __m256i s = _mm256_setzero_si256();
        NEXTN_UNROLL
        for (int g = 0; g < kGroups; g++) {
          const __m256i signed_q = _mm256_sign_epi8(four_at(act.q + i + 4 * g), w.v[g]);
          const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w.v[g]), signed_q);
          s = _mm256_add_epi32(s, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
        }
        fma_to(acc.v[m][half], _mm256_mul_ps(_mm256_cvtepi32_ps(s), _mm256_set1_ps(act.scale[i / 32])), d);
      }
    }
  }
};

struct Q4_0 {
  static constexpr int kInputs = 32, kBytes = 18 * kTileRows;

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* block, const ActRows& act, int64_t k, int64_t at, Sums<M>& acc) {
    const __m256i low = _mm256_set1_epi8(15);
    prefetch<kBytes, 1>(block, 0);
    for (int half = 0; half < 2; half++) {
      Words w;
      NEXTN_UNROLL
      for (int g = 0; g < 4; g++) {
        const __m256i both = load(block + 32 + g * kWord + half * 32);
        w.v[g] = _mm256_and_si256(both, low);
        w.v[g + 4] = _mm256_and_si256(_mm256_srli_epi16(both, 4), low);
      }
      const __m256 d = halves_at(block + half * 16);
      NEXTN_UNROLL
      for (int m = 0; m < M; m++) {
        const int64_t i = m * k + at;
        const int32_t* sum = act.sum + i / 16;
        const __m256i s = dot<8>(_mm256_set1_epi32(-8 * (sum[0] + sum[1])), w, act.q + i, 0, kGroups);
        fma_to(acc.v[m][half], _mm256_mul_ps(_mm256_cvtepi32_ps(s), _mm256_set1_ps(act.scale[i / 32])), d);
      }
    }
  }
};

// What Q4_K and Q5_K need along a superblock.
template <int M>
struct ScaleMin {
  alignas(32) uint8_t scale[8][kTileRows];
  alignas(32) uint8_t min[8][kTileRows];
  alignas(32) float a_sum[M][8];  // scale times sum of each 32 activations
  Sums<M> block, mins;

  NEXTN_INLINE __m256 to_float(const uint8_t* bytes) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes))));
  }
};

template <int M>
NEXTN_INLINE void begin_superblock(const uint8_t* scales, const ActRows& act, int64_t k, int64_t at, ScaleMin<M>& s) {
  const __m256i six = _mm256_set1_epi8(63), four = _mm256_set1_epi8(15), top = _mm256_set1_epi8(0x30);
  NEXTN_UNROLL
  for (int i = 0; i < 2; i++) {  // bytes 2i and 2i + 1 of the 16 rows, and those 4 and 8 after them
    const __m256i b0 = load(scales + i * 32), b4 = load(scales + 64 + i * 32), b8 = load(scales + 128 + i * 32);
    auto store = [&](uint8_t* to, __m256i x) { _mm256_store_si256(reinterpret_cast<__m256i*>(to), x); };
    store(s.scale[2 * i], _mm256_and_si256(b0, six));
    store(s.min[2 * i], _mm256_and_si256(b4, six));
    store(s.scale[4 + 2 * i],
          _mm256_or_si256(_mm256_and_si256(b8, four), _mm256_and_si256(_mm256_srli_epi16(b0, 2), top)));
    store(s.min[4 + 2 * i], _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(b8, 4), four),
                                            _mm256_and_si256(_mm256_srli_epi16(b4, 2), top)));
  }
  NEXTN_UNROLL
  for (int m = 0; m < M; m++) {
    const int64_t i = m * k + at;
    const __m256i pairs =
        _mm256_permute4x64_epi64(_mm256_hadd_epi32(load(act.sum + i / 16), load(act.sum + i / 16 + 8)), 0xd8);
    _mm256_store_ps(s.a_sum[m], _mm256_mul_ps(_mm256_loadu_ps(act.scale + i / 32), _mm256_cvtepi32_ps(pairs)));
  }
  Sums<M>::clear(s.block);
  Sums<M>::clear(s.mins);
}

// Adds one half of sub-block b, whose weights are w, to the sums of the superblock.
template <int together, int M>
NEXTN_INLINE void add_sub_block(const Words& w, int half, int b, ScaleMin<M>& s, const ActRows& act, int64_t k,
                                int64_t at) {
  const __m256 scale = ScaleMin<M>::to_float(s.scale[b] + half * 8), min = ScaleMin<M>::to_float(s.min[b] + half * 8);
  NEXTN_UNROLL
  for (int m = 0; m < M; m++) {
    const int64_t i = m * k + at + b * 32;
    const __m256 d = _mm256_cvtepi32_ps(dot<together>(_mm256_setzero_si256(), w, act.q + i, 0, kGroups));
    fma_to(s.block.v[m][half], _mm256_mul_ps(d, scale), _mm256_set1_ps(act.scale[i / 32]));
    fma_to(s.mins.v[m][half], min, _mm256_set1_ps(s.a_sum[m][b]));
  }
}

template <int M>
NEXTN_INLINE void end_superblock(const uint8_t* super, const ScaleMin<M>& s, Sums<M>& acc) {
  for (int half = 0; half < 2; half++) {
    const __m256 d = halves_at(super + half * 16), dmin = halves_at(super + 32 + half * 16);
    for (int m = 0; m < M; m++) {
      float* sum = acc.v[m][half];
      const __m256 with_block = _mm256_fmadd_ps(d, _mm256_load_ps(s.block.v[m][half]), _mm256_load_ps(sum));
      _mm256_store_ps(sum, _mm256_fnmadd_ps(dmin, _mm256_load_ps(s.mins.v[m][half]), with_block));
    }
  }
}

struct Q4_K {
  static constexpr int kInputs = 256, kBytes = 144 * kTileRows;

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* super, const ActRows& act, int64_t k, int64_t at, Sums<M>& acc) {
    const __m256i low = _mm256_set1_epi8(15);
    ScaleMin<M> s;
    begin_superblock<M>(super + 4 * kTileRows, act, k, at, s);
    for (int c = 0; c < 4; c++) {
      prefetch<kBytes, 4>(super, c);
      for (int half = 0; half < 2; half++) {
        const uint8_t* qs = super + 16 * kTileRows + c * kGroups * kWord + half * 32;
        Words w;
        NEXTN_UNROLL
        for (int g = 0; g < kGroups; g++) {
          w.v[g] = _mm256_and_si256(load(qs + g * kWord), low);
        }
        add_sub_block<8, M>(w, half, 2 * c, s, act, k, at);
        NEXTN_UNROLL
        for (int g = 0; g < kGroups; g++) {
          w.v[g] = _mm256_and_si256(_mm256_srli_epi16(load(qs + g * kWord), 4), low);
        }
        add_sub_block<8, M>(w, half, 2 * c + 1, s, act, k, at);
      }
    }
    end_superblock<M>(super, s, acc);
  }
};

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

struct Q5_K {
  static constexpr int kInputs = 256, kBytes = 176 * kTileRows;

  template <int M, int B>
  NEXTN_INLINE void sub_block(const uint8_t* super, int half, ScaleMin<M>& s, const ActRows& act, int64_t k,
                              int64_t at) {
    const uint8_t* qh = super + 16 * kTileRows + half * 32;
    const uint8_t* qs = super + 48 * kTileRows + B / 2 * kGroups * kWord + half * 32;
    Words w;
    NEXTN_UNROLL
    for (int g = 0; g < kGroups; g++) {
      w.v[g] = join(shift<B % 2 * -4>(load(qs + g * kWord)), shift<4 - B>(load(qh + g * kWord)), 0x10);
    }
    prefetch<kBytes, 16>(super, 8 * half + B);
    add_sub_block<4, M>(w, half, B, s, act, k, at);
  }

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* super, const ActRows& act, int64_t k, int64_t at, Sums<M>& acc) {
    ScaleMin<M> s;
    begin_superblock<M>(super + 4 * kTileRows, act, k, at, s);
    for (int half = 0; half < 2; half++) {
      sub_block<M, 0>(super, half, s, act, k, at);
      sub_block<M, 1>(super, half, s, act, k, at);
      sub_block<M, 2>(super, half, s, act, k, at);
      sub_block<M, 3>(super, half, s, act, k, at);
      sub_block<M, 4>(super, half, s, act, k, at);
      sub_block<M, 5>(super, half, s, act, k, at);
      sub_block<M, 6>(super, half, s, act, k, at);
      sub_block<M, 7>(super, half, s, act, k, at);
    }
    end_superblock<M>(super, s, acc);
  }
};

struct Q6_K {
  static constexpr int kInputs = 256, kBytes = 210 * kTileRows;

  // Part P of a half superblock n: the 32 inputs that take bits 2P and 2P + 1 of qh.
  template <int M, int P>
  NEXTN_INLINE void sub_block(const uint8_t* super, int n, int half, Sums<M>& block, const ActRows& act, int64_t k,
                              int64_t at) {
    const int b = 4 * n + P;
    const uint8_t* qh = super + 18 * kTileRows + n * kGroups * kWord + half * 32;
    const uint8_t* ql = super + 82 * kTileRows + (2 * n + P % 2) * kGroups * kWord + half * 32;
    Words w;
    NEXTN_UNROLL
    for (int g = 0; g < kGroups; g++) {
      w.v[g] = join(shift<P / 2 * -4>(load(ql + g * kWord)), shift<4 - 2 * P>(load(qh + g * kWord)), 0x30);
    }
    prefetch<kBytes, 16>(super, 8 * n + 4 * half + P);
    const uint8_t* scales = super + 2 * kTileRows + 2 * b * kTileRows + half * 8;
    auto scale_at = [](const uint8_t* p) {
      return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
    };
    const __m256 scale0 = scale_at(scales), scale1 = scale_at(scales + kTileRows);
    NEXTN_UNROLL
    for (int m = 0; m < M; m++) {
      const int64_t i = m * k + at + b * 32;
      const int32_t* sum = act.sum + i / 16;
      const __m256i first = dot<2>(_mm256_set1_epi32(-32 * sum[0]), w, act.q + i, 0, 4);
      const __m256i second = dot<2>(_mm256_set1_epi32(-32 * sum[1]), w, act.q + i, 4, 8);
      // Below 2^24 throughout, so this float sum is the exact integer.
      const __m256 scaled =
          _mm256_fmadd_ps(_mm256_cvtepi32_ps(first), scale0, _mm256_mul_ps(_mm256_cvtepi32_ps(second), scale1));
      fma_to(block.v[m][half], scaled, _mm256_set1_ps(act.scale[i / 32]));
    }
  }

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* super, const ActRows& act, int64_t k, int64_t at, Sums<M>& acc) {
    Sums<M> block;
    Sums<M>::clear(block);
    for (int n = 0; n < 2; n++) {
      for (int half = 0; half < 2; half++) {
        sub_block<M, 0>(super, n, half, block, act, k, at);
        sub_block<M, 1>(super, n, half, block, act, k, at);
        sub_block<M, 2>(super, n, half, block, act, k, at);
        sub_block<M, 3>(super, n, half, block, act, k, at);
      }
    }
    for (int half = 0; half < 2; half++) {
      const __m256 d = halves_at(super + half * 16);
      for (int m = 0; m < M; m++) fma_to(acc.v[m][half], d, _mm256_load_ps(block.v[m][half]));
    }
  }
};

// Stores the outputs of tile t that the matrix has.
NEXTN_INLINE void store(const MatmulArgs& args, int64_t t, int m, const float* sums) {
  const int64_t left = args.n_out - t * kTileRows, valid = left < kTileRows ? left : kTileRows;
  std::memcpy(args.y + m * args.y_stride + t * kTileRows, sums, static_cast<size_t>(valid) * sizeof(float));
}

template <class Format, int M>
void tiles(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  const ActRows act = args.act;
  const int64_t k = args.k;
  const uint8_t* block = args.w + tile_first * (k / Format::kInputs) * Format::kBytes;
  for (int64_t t = tile_first; t < tile_last; t++) {
    Sums<M> acc;
    Sums<M>::clear(acc);
    for (int64_t at = 0; at < k; at += Format::kInputs, block += Format::kBytes) {
      Format::template add_block<M>(block, act, k, at, acc);
    }
    for (int m = 0; m < M; m++) store(args, t, m, acc.v[m][0]);
  }
}

struct F32 {
  static constexpr int kBytes = 4 * kTileRows;
  NEXTN_INLINE __m256 weights(const uint8_t* w, int half) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(w) + half * 8);
  }
};

struct F16 {
  static constexpr int kBytes = 2 * kTileRows;
  NEXTN_INLINE __m256 weights(const uint8_t* w, int half) { return halves_at(w + half * 16); }
};

struct BF16 {
  static constexpr int kBytes = 2 * kTileRows;
  NEXTN_INLINE __m256 weights(const uint8_t* w, int half) {
    const __m128i h = _mm_loadu_si128(reinterpret_cast<const __m128i*>(w) + half);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
  }
};

// Adds n inputs to the four partial sums of one half of one row.
template <class Format>
NEXTN_INLINE void add_inputs(const uint8_t* w, int half, const float* x, int64_t n, float (*sums)[8]) {
  __m256 p[4];
  NEXTN_UNROLL
  for (int j = 0; j < 4; j++) p[j] = _mm256_load_ps(sums[j]);
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    if (half == 0) prefetch<4 * Format::kBytes, 1>(w + i * Format::kBytes, 0);
    NEXTN_UNROLL
    for (int j = 0; j < 4; j++) {
      p[j] = _mm256_fmadd_ps(Format::weights(w + (i + j) * Format::kBytes, half), _mm256_set1_ps(x[i + j]), p[j]);
    }
  }
  NEXTN_UNROLL
  for (int j = 0; j < 3; j++) {
    if (i + j >= n) break;
    p[j] = _mm256_fmadd_ps(Format::weights(w + (i + j) * Format::kBytes, half), _mm256_set1_ps(x[i + j]), p[j]);
  }
  NEXTN_UNROLL
  for (int j = 0; j < 4; j++) _mm256_store_ps(sums[j], p[j]);
}

template <class Format>
void float_tiles(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  const int64_t k = args.k;
  const uint8_t* w = args.w + tile_first * k * Format::kBytes;
  for (int64_t t = tile_first; t < tile_last; t++) {
    alignas(32) float p[kMaxMatmulRows][2][4][8] = {};
    for (int64_t at = 0; at < k; at += kFloatRun) {
      const int64_t n = k - at < kFloatRun ? k - at : kFloatRun;
      for (int m = 0; m < args.n_rows; m++) {
        for (int half = 0; half < 2; half++) add_inputs<Format>(w, half, args.act.x + m * k + at, n, p[m][half]);
      }
      w += n * Format::kBytes;
    }
    for (int m = 0; m < args.n_rows; m++) {
      float y[kTileRows];
      for (int r = 0; r < kTileRows; r++) {
        const float(*sums)[8] = p[m][r / 8];
        y[r] = (sums[0][r % 8] + sums[1][r % 8]) + (sums[2][r % 8] + sums[3][r % 8]);
      }
      store(args, t, m, y);
    }
  }
}

template <class Format>
void block_tiles(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  switch (args.n_rows) {
    case 1:
      return tiles<Format, 1>(args, tile_first, tile_last);
    case 2:
      return tiles<Format, 2>(args, tile_first, tile_last);
    case 3:
      return tiles<Format, 3>(args, tile_first, tile_last);
    case 4:
      return tiles<Format, 4>(args, tile_first, tile_last);
    case 5:
      return tiles<Format, 5>(args, tile_first, tile_last);
    case 6:
      return tiles<Format, 6>(args, tile_first, tile_last);
    case 7:
      return tiles<Format, 7>(args, tile_first, tile_last);
    case 8:
      return tiles<Format, 8>(args, tile_first, tile_last);
  }
}

}  // namespace

void matmul_f32(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  float_tiles<F32>(args, tile_first, tile_last);
}
void matmul_f16(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  float_tiles<F16>(args, tile_first, tile_last);
}
void matmul_bf16(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  float_tiles<BF16>(args, tile_first, tile_last);
}
void matmul_q8_0(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  block_tiles<Q8_0>(args, tile_first, tile_last);
}
void matmul_q4_0(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  block_tiles<Q4_0>(args, tile_first, tile_last);
}
void matmul_q4_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  block_tiles<Q4_K>(args, tile_first, tile_last);
}
void matmul_q5_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  block_tiles<Q5_K>(args, tile_first, tile_last);
}
void matmul_q6_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  block_tiles<Q6_K>(args, tile_first, tile_last);
}

}  // namespace nextn::avx2
