// Matmul on 16-row interleaved tiles with AVX2; scalar/matmul.cc defines the numbers.
//
// How a tile is multiplied is in tile.h. The sums of four rows and both halves fit the registers, so five rows and more
// are two groups on each block.
#include "kernels/avx2/functions.h"
#include "kernels/avx2/tile.h"
#include "quant/blocks.h"

namespace nextn::avx2 {

namespace {

constexpr int64_t kFloatRun = 256;  // inputs of a float format that the rows pass over in turn

struct Q8_0 {
  static constexpr int kInputs = 32, kBytes = 34 * kTileRows;

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* block, const ActRows& act, int64_t k, int64_t at, Sums<M>& acc) {
    prefetch<kBytes, 1>(block, 0);
    auto weights = [&](int g, int h) {
      return _mm256_xor_si256(load(block + 32 + g * kWord + h * 32), _mm256_set1_epi8(-128));
    };
    __m256i ones[2];
    __m256 d[2];
    NEXTN_UNROLL
    for (int h = 0; h < 2; h++) ones[h] = _mm256_set1_epi16(1), d[h] = halves_at(block + h * 16);
    Ints<M> pairs, dots;
    clear<M>(dots);
    NEXTN_UNROLL
    for (int g = 0; g < kGroups; g++) {
      sum_signed_pairs<M>(weights, act.q + at, k, g, g + 1, pairs);
      widen<M>(pairs, ones, dots);
    }
    NEXTN_UNROLL
    for (int m = 0; m < M; m++) {
      const __m256 a = _mm256_set1_ps(act.scale[(m * k + at) / 32]);
      NEXTN_UNROLL
      for (int h = 0; h < 2; h++) {
        fma_to(acc.v[m] + h * 8, _mm256_mul_ps(_mm256_cvtepi32_ps(dots[m][h]), a), d[h]);
      }
    }
  }
};

struct Q4_0 {
  static constexpr int kInputs = 32, kBytes = 18 * kTileRows;

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* block, const ActRows& act, int64_t k, int64_t at, Sums<M>& acc) {
    prefetch<kBytes, 1>(block, 0);
    auto weights = [&](int g, int h) {
      const __m256i both = load(block + 32 + g % 4 * kWord + h * 32);
      return _mm256_and_si256(g < 4 ? both : _mm256_srli_epi16(both, 4), _mm256_set1_epi8(15));
    };
    Ints<M> pairs;
    sum_pairs<M>(weights, act.q + at, k, 0, kGroups, pairs);
    __m256 d[2];
    NEXTN_UNROLL
    for (int h = 0; h < 2; h++) d[h] = halves_at(block + h * 16);
    NEXTN_UNROLL
    for (int m = 0; m < M; m++) {
      const int64_t i = m * k + at;
      const int16_t* sum = act.sum + i / 16;
      const __m256i bias = _mm256_set1_epi32(-8 * (sum[0] + sum[1]));
      const __m256 a = _mm256_set1_ps(act.scale[i / 32]);
      NEXTN_UNROLL
      for (int h = 0; h < 2; h++) {
        const __m256i s = _mm256_add_epi32(bias, _mm256_madd_epi16(pairs[m][h], _mm256_set1_epi16(1)));
        fma_to(acc.v[m] + h * 8, _mm256_mul_ps(_mm256_cvtepi32_ps(s), a), d[h]);
      }
    }
  }
};

// What Q4_K and Q5_K need along a superblock: 6-bit scales and minima of its 8 sub-blocks.
struct ScaleMin {
  alignas(32) uint8_t scale[8][kTileRows];
  alignas(32) uint8_t min[8][kTileRows];
};

NEXTN_INLINE void unpack_scales(const uint8_t* scales, ScaleMin& s) {
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
}

// total += sub-block b.
template <int M, int together, class Weights>
NEXTN_INLINE void add_sub_block(const Weights& weights, int b, const ScaleMin& s, const ActRows& act, int64_t k,
                                int64_t at, Ints<M>& total) {
  __m256i scale[2];
  Ints<M> pairs;
  NEXTN_UNROLL
  for (int g = 0; g < kGroups; g += together) {
    sum_pairs<M>(weights, act.q + at + b * 32, k, g, g + together, pairs);
    NEXTN_UNROLL
    for (int h = 0; h < 2; h++) scale[h] = twice_at(s.scale[b] + h * 8);
    widen<M>(pairs, scale, total);
  }
}

// Adds a superblock's total and minima to the tile's sums.
template <int M>
NEXTN_INLINE void add_superblock(const uint8_t* super, const ScaleMin& s, const ActRows& act, int64_t k, int64_t at,
                                 const Ints<M>& total, Sums<M>& acc) {
  const float* const a = act.scale + at / 32;
  const __m256 d[2] = {halves_at(super), halves_at(super + 16)};
  add_scaled<M>(total, a, k / 32, d, acc);
  Ints<M> mins;
  clear<M>(mins);
  for (int b = 0; b < 8; b++) {
    const __m256i min[2] = {twice_at(s.min[b]), twice_at(s.min[b] + 8)};
    add_sums<M>(min, act.sum + at / 16 + 2 * b, k / 16, mins);
  }
  const __m256 sign = _mm256_set1_ps(-0.0f);
  const __m256 dmin[2] = {_mm256_xor_ps(halves_at(super + 32), sign), _mm256_xor_ps(halves_at(super + 48), sign)};
  add_scaled<M>(mins, a, k / 32, dmin, acc);
}

struct Q4_K {
  static constexpr int kInputs = 256, kBytes = 144 * kTileRows;

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* super, const ActRows& act, int64_t k, int64_t at, Sums<M>& acc) {
    ScaleMin s;
    unpack_scales(super + 4 * kTileRows, s);
    Ints<M> total;
    clear<M>(total);
    for (int c = 0; c < 4; c++) {
      const uint8_t* qs = super + 16 * kTileRows + c * kGroups * kWord;
      prefetch<kBytes, 4>(super, c);
      auto low = [&](int g, int h) { return _mm256_and_si256(load(qs + g * kWord + h * 32), _mm256_set1_epi8(15)); };
      auto high = [&](int g, int h) {
        return _mm256_and_si256(_mm256_srli_epi16(load(qs + g * kWord + h * 32), 4), _mm256_set1_epi8(15));
      };
      add_sub_block<M, 8>(low, 2 * c, s, act, k, at, total);
      add_sub_block<M, 8>(high, 2 * c + 1, s, act, k, at, total);
    }
    add_superblock<M>(super, s, act, k, at, total, acc);
  }
};

struct Q5_K {
  static constexpr int kInputs = 256, kBytes = 176 * kTileRows;

  template <int M, int B>
  NEXTN_INLINE void sub_block(const uint8_t* super, const ScaleMin& s, const ActRows& act, int64_t k, int64_t at,
                              Ints<M>& total) {
    const uint8_t* qh = super + 16 * kTileRows;
    const uint8_t* qs = super + 48 * kTileRows + B / 2 * kGroups * kWord;
    prefetch<kBytes, 8>(super, B);
    auto weights = [&](int g, int h) {
      return join(shift<B % 2 * -4>(load(qs + g * kWord + h * 32)), shift<4 - B>(load(qh + g * kWord + h * 32)), 0x10);
    };
    add_sub_block<M, 4>(weights, B, s, act, k, at, total);
  }

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* super, const ActRows& act, int64_t k, int64_t at, Sums<M>& acc) {
    ScaleMin s;
    unpack_scales(super + 4 * kTileRows, s);
    Ints<M> total;
    clear<M>(total);
    sub_block<M, 0>(super, s, act, k, at, total);
    sub_block<M, 1>(super, s, act, k, at, total);
    sub_block<M, 2>(super, s, act, k, at, total);
    sub_block<M, 3>(super, s, act, k, at, total);
    sub_block<M, 4>(super, s, act, k, at, total);
    sub_block<M, 5>(super, s, act, k, at, total);
    sub_block<M, 6>(super, s, act, k, at, total);
    sub_block<M, 7>(super, s, act, k, at, total);
    add_superblock<M>(super, s, act, k, at, total, acc);
  }
};

// Adds a superblock's total to the tile's sums.
template <int M>
NEXTN_INLINE void add_scaled_block(const uint8_t* super, const ActRows& act, int64_t k, int64_t at,
                                   const Ints<M>& total, Sums<M>& acc) {
  const __m256 d[2] = {halves_at(super), halves_at(super + 16)};
  add_scaled<M>(total, act.scale + at / 32, k / 32, d, acc);
}

struct Q6_K {
  static constexpr int kInputs = 256, kBytes = 210 * kTileRows;

  // Part P of a half superblock n: the 32 inputs that take bits 2P and 2P + 1 of qh. The weights are 0 .. 63 here;
  // `bias` is -16 times the sums of each 16 activations.
  template <int M, int P>
  NEXTN_INLINE void sub_block(const uint8_t* super, int n, const int16_t (&bias)[M][16], const ActRows& act, int64_t k,
                              int64_t at, Ints<M>& total) {
    const int b = 4 * n + P;
    const uint8_t* qh = super + 18 * kTileRows + n * 3 * kGroups * kWord;
    const uint8_t* ql = qh + (1 + P % 2) * kWord;
    const uint8_t* scales = super + 2 * kTileRows + 2 * b * kTileRows;
    prefetch<kBytes, 8>(super, b);
    auto weights = [&](int g, int h) {
      const int word = 3 * g * kWord + h * 32;
      return join(shift<P / 2 * -4>(load(ql + word)), shift<4 - 2 * P>(load(qh + word)), 0x30);
    };
    __m256i both[2], twice[2];  // the scales of the first and the second 16 inputs side by side
    Ints<M> pairs;
    NEXTN_UNROLL
    for (int h = 0; h < 2; h++) {
      const __m128i* s = reinterpret_cast<const __m128i*>(scales + h * 8);
      both[h] = _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(_mm_loadl_epi64(s), _mm_loadl_epi64(s + 1)));
      twice[h] = _mm256_add_epi16(both[h], both[h]);
    }
    add_sums<M>(twice, bias[0] + 2 * b, 16, total);
    NEXTN_UNROLL
    for (int i = 0; i < 2; i++) {
      const __m256i which = _mm256_set1_epi64x(i == 0 ? 0x0504050401000100 : 0x0706070603020302);
      const __m256i lanes = _mm256_or_si256(which, _mm256_setr_epi64x(0, 0x0808080808080808, 0, 0x0808080808080808));
      const __m256i scale[2] = {_mm256_shuffle_epi8(both[0], lanes), _mm256_shuffle_epi8(both[1], lanes)};
      NEXTN_UNROLL
      for (int g = 4 * i; g < 4 * i + 4; g += 2) {
        sum_pairs<M>(weights, act.q + at + b * 32, k, g, g + 2, pairs);
        widen<M>(pairs, scale, total);
      }
    }
  }

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* super, const ActRows& act, int64_t k, int64_t at, Sums<M>& acc) {
    int16_t bias[M][16];
    NEXTN_UNROLL
    for (int m = 0; m < M; m++) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(bias[m]),
                          _mm256_mullo_epi16(load(act.sum + (m * k + at) / 16), _mm256_set1_epi16(-16)));
    }
    Ints<M> total;
    clear<M>(total);
    for (int n = 0; n < 2; n++) {
      sub_block<M, 0>(super, n, bias, act, k, at, total);
      sub_block<M, 1>(super, n, bias, act, k, at, total);
      sub_block<M, 2>(super, n, bias, act, k, at, total);
      sub_block<M, 3>(super, n, bias, act, k, at, total);
    }
    add_scaled_block<M>(super, act, k, at, total, acc);
  }
};

struct IQ4_XS {
  static constexpr int kInputs = 256, kBytes = 136 * kTileRows;

  // scale[b]: the scales of sub-block b, still with the offset of 32.
  NEXTN_INLINE void unpack_scales(const uint8_t* super, uint8_t (&scale)[8][kTileRows]) {
    const __m256i high = load(super + 2 * kTileRows);
    // Sub-blocks 0 .. 3 have their bits in the lower 16 bytes, 4 .. 7 in the upper ones.
    const __m256i bits = _mm256_permute4x64_epi64(
        _mm256_packus_epi16(_mm256_and_si256(high, _mm256_set1_epi16(255)), _mm256_srli_epi16(high, 8)), 0xd8);
    const __m128i* low = reinterpret_cast<const __m128i*>(super + 4 * kTileRows);
    auto store = [&](int b, __m256i scales) {
      _mm_store_si128(reinterpret_cast<__m128i*>(scale[b]), _mm256_castsi256_si128(scales));
      _mm_store_si128(reinterpret_cast<__m128i*>(scale[b + 4]), _mm256_extracti128_si256(scales, 1));
    };
    const __m256i even = _mm256_loadu2_m128i(low + 2, low), odd = _mm256_loadu2_m128i(low + 3, low + 1);
    store(0, join(even, shift<4>(bits), 0x30));
    store(1, join(shift<-4>(even), shift<2>(bits), 0x30));
    store(2, join(odd, bits, 0x30));
    store(3, join(shift<-4>(odd), shift<-2>(bits), 0x30));
  }

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* super, const ActRows& act, int64_t k, int64_t at, Sums<M>& acc) {
    alignas(32) uint8_t scales[8][kTileRows];
    unpack_scales(super, scales);
    const __m256i values = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kIq4Values)));
    Ints<M> total;
    clear<M>(total);
    for (int b = 0; b < 8; b++) {
      const uint8_t* qs = super + 8 * kTileRows + b * 4 * kWord;
      prefetch<kBytes, 8>(super, b);
      auto weights = [&](int g, int h) {
        const __m256i both = load(qs + g % 4 * kWord + h * 32);
        const __m256i nibbles = _mm256_and_si256(g < 4 ? both : _mm256_srli_epi16(both, 4), _mm256_set1_epi8(15));
        return _mm256_shuffle_epi8(values, nibbles);
      };
      const __m256i offset = _mm256_set1_epi16(32);
      const __m256i scale[2] = {_mm256_sub_epi16(twice_at(scales[b]), offset),
                                _mm256_sub_epi16(twice_at(scales[b] + 8), offset)};
      Ints<M> pairs;
      NEXTN_UNROLL
      for (int g = 0; g < kGroups; g++) {
        sum_signed_pairs<M, M == 1>(weights, act.q + at + b * 32, k, g, g + 1, pairs);
        widen<M>(pairs, scale, total);
      }
    }
    add_scaled_block<M>(super, act, k, at, total, acc);
  }
};

// A rows, and then B rows on the same block, which is in the first-level cache by then.
template <class Format, int A, int B>
void tiles(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  const int64_t k = args.k;
  const ActRows act = args.act;
  const ActRows later = {nullptr, act.q + A * k, act.scale + A * k / 32, act.sum + A * k / 16};
  const uint8_t* block = args.w + tile_first * (k / Format::kInputs) * Format::kBytes;
  for (int64_t t = tile_first; t < tile_last; t++) {
    Sums<A> first = {};
    Sums<B> second = {};
    for (int64_t at = 0; at < k; at += Format::kInputs, block += Format::kBytes) {
      Format::template add_block<A>(block, act, k, at, first);
      if constexpr (B > 0) Format::template add_block<B>(block, later, k, at, second);
    }
    for (int m = 0; m < A; m++) store(args, t, m, first.v[m]);
    for (int m = 0; m < B; m++) store(args, t, A + m, second.v[m]);
  }
}

// weights(w, half) is one input's word of one half of the rows: rows 8 * half + i, or where a format is kPaired, whose
// rows are easier to take apart so, 2 * i + half.
struct F32 {
  static constexpr int kBytes = 4 * kTileRows;
  static constexpr bool kPaired = false;
  NEXTN_INLINE __m256 weights(const uint8_t* w, int half) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(w) + half * 8);
  }
};

struct F16 {
  static constexpr int kBytes = 2 * kTileRows;
  static constexpr bool kPaired = false;
  NEXTN_INLINE __m256 weights(const uint8_t* w, int half) { return halves_at(w + half * 16); }
};

struct BF16 {
  static constexpr int kBytes = 2 * kTileRows;
  static constexpr bool kPaired = true;
  NEXTN_INLINE __m256 weights(const uint8_t* w, int half) {
    const __m256i pairs = load(w);
    return _mm256_castsi256_ps(half == 0 ? _mm256_slli_epi32(pairs, 16)
                                         : _mm256_and_si256(pairs, _mm256_set1_epi32(-0x10000)));
  }
};

using FloatSums = float[2][4][8];  // of one row: halves, the four partial sums

// Adds n inputs to the partial sums of one half of M rows; x is the first row's first input.
template <class Format, int M>
NEXTN_INLINE void add_inputs(const uint8_t* w, int half, const float* x, int64_t k, int64_t n, FloatSums* sums) {
  __m256 p[M][4];
  NEXTN_UNROLL
  for (int m = 0; m < M; m++) {
    NEXTN_UNROLL
    for (int j = 0; j < 4; j++) p[m][j] = _mm256_load_ps(sums[m][half][j]);
  }
  auto add = [&](int64_t i, int j) {
    const __m256 weights = Format::weights(w + (i + j) * Format::kBytes, half);
    NEXTN_UNROLL
    for (int m = 0; m < M; m++) p[m][j] = _mm256_fmadd_ps(weights, _mm256_set1_ps(x[m * k + i + j]), p[m][j]);
  };
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    if (half == 0) prefetch<4 * Format::kBytes, 1>(w + i * Format::kBytes, 0);
    NEXTN_UNROLL
    for (int j = 0; j < 4; j++) add(i, j);
  }
  NEXTN_UNROLL
  for (int j = 0; j < 3; j++) {
    if (i + j >= n) break;
    add(i, j);
  }
  NEXTN_UNROLL
  for (int m = 0; m < M; m++) {
    NEXTN_UNROLL
    for (int j = 0; j < 4; j++) _mm256_store_ps(sums[m][half][j], p[m][j]);
  }
}

template <class Format, int M>
void add_run(const uint8_t* w, const float* x, int64_t k, int64_t n, FloatSums* sums) {
  add_inputs<Format, M>(w, 0, x, k, n, sums);
  add_inputs<Format, M>(w, 1, x, k, n, sums);
}

template <class Format>
void float_tiles(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  constexpr int kRows = 3;  // the sums of so many rows fit the registers
  const int64_t k = args.k;
  const uint8_t* w = args.w + tile_first * k * Format::kBytes;
  for (int64_t t = tile_first; t < tile_last; t++) {
    alignas(32) FloatSums p[kMaxMatmulRows] = {};
    for (int64_t at = 0; at < k; at += kFloatRun) {
      const int64_t n = k - at < kFloatRun ? k - at : kFloatRun;
      int m = 0;
      for (; m + kRows <= args.n_rows; m += kRows) add_run<Format, kRows>(w, args.act.x + m * k + at, k, n, p + m);
      if (args.n_rows - m == 2) add_run<Format, 2>(w, args.act.x + m * k + at, k, n, p + m);
      if (args.n_rows - m == 1) add_run<Format, 1>(w, args.act.x + m * k + at, k, n, p + m);
      w += n * Format::kBytes;
    }
    for (int m = 0; m < args.n_rows; m++) {
      float y[kTileRows];
      for (int r = 0; r < kTileRows; r++) {
        const int half = Format::kPaired ? r % 2 : r / 8, lane = Format::kPaired ? r / 2 : r % 8;
        const float(*sums)[8] = p[m][half];
        y[r] = (sums[0][lane] + sums[1][lane]) + (sums[2][lane] + sums[3][lane]);
      }
      store(args, t, m, y);
    }
  }
}

template <class Format>
void block_tiles(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  switch (args.n_rows) {
    case 1:
      return tiles<Format, 1, 0>(args, tile_first, tile_last);
    case 2:
      return tiles<Format, 2, 0>(args, tile_first, tile_last);
    case 3:
      return tiles<Format, 3, 0>(args, tile_first, tile_last);
    case 4:
      return tiles<Format, 4, 0>(args, tile_first, tile_last);
    case 5:
      return tiles<Format, 3, 2>(args, tile_first, tile_last);
    case 6:
      return tiles<Format, 3, 3>(args, tile_first, tile_last);
    case 7:
      return tiles<Format, 4, 3>(args, tile_first, tile_last);
    case 8:
      return tiles<Format, 4, 4>(args, tile_first, tile_last);
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

void matmul_iq4_xs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  block_tiles<IQ4_XS>(args, tile_first, tile_last);
}

}  // namespace nextn::avx2
