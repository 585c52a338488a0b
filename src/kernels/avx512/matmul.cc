// Matmul on 16-row interleaved tiles with AVX-512 VNNI; scalar/matmul.cc defines the numbers.
#include "kernels/avx512/amx.h"
#include "kernels/avx512/functions.h"
#include "quant/blocks.h"

namespace nextn::avx512 {

namespace {

constexpr int64_t kFloatRun = 256;  // inputs of a float format that rows 0-3 and 4-7 pass over in turn

struct Q8_0 {
  static constexpr int kInputs = 32, kBytes = 34 * kTileRows;

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* block, const Acts& act, __m512 (&acc)[M]) {
    prefetch<kBytes, 1, M <= 2>(block, 0);  // two rows gain, too (bench/LOG.md P1)
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
    prefetch<kBytes, 1, M == 1>(block, 0);
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
struct ScaleMin {
  alignas(64) uint8_t scales[8][kTileRows];
  alignas(64) uint8_t mins[8][kTileRows];

  NEXTN_INLINE_MEMBER explicit ScaleMin(const uint8_t* super) {
    const uint8_t* bytes = super + 4 * kTileRows;
    const __m512i six = _mm512_set1_epi8(63), four = _mm512_set1_epi8(15), top = _mm512_set1_epi8(0x30);
    const __m512i b0 = word_at(bytes), b4 = word_at(bytes + kWord), b8 = word_at(bytes + 2 * kWord);
    _mm512_store_si512(scales[0], _mm512_and_si512(b0, six));
    _mm512_store_si512(mins[0], _mm512_and_si512(b4, six));
    _mm512_store_si512(scales[4],
                       _mm512_or_si512(_mm512_and_si512(b8, four), _mm512_and_si512(_mm512_srli_epi16(b0, 2), top)));
    _mm512_store_si512(mins[4], _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi16(b8, 4), four),
                                                _mm512_and_si512(_mm512_srli_epi16(b4, 2), top)));
  }
  // The scale of sub-block b in each lane; its minimum in both halves.
  NEXTN_INLINE_MEMBER __m512i scale(int b) const { return _mm512_cvtepu8_epi32(sixteen(scales[b])); }
  NEXTN_INLINE_MEMBER __m512i min(int b) const {
    const __m512i twice = _mm512_set_epi32(0x800f800f, 0x800e800e, 0x800d800d, 0x800c800c, 0x800b800b, 0x800a800a,
                                           0x80098009, 0x80088008, 0x80078007, 0x80068006, 0x80058005, 0x80048004,
                                           0x80038003, 0x80028002, 0x80018001, 0x80008000);
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(sixteen(mins[b])), twice);
  }

 private:
  NEXTN_INLINE __m128i sixteen(const uint8_t (&bytes)[kTileRows]) {
    return _mm_load_si128(reinterpret_cast<const __m128i*>(bytes));
  }
};

// Adds sub-block b to the sums of a superblock; weights(g) are the weights of its group g, act its activations.
template <int M, class Weights>
NEXTN_INLINE void add_sub_block(const Weights& weights, int b, const ScaleMin& s, const Acts& act, __m512i (&total)[M],
                                __m512i (&mins)[M]) {
  const __m512i scale = s.scale(b), min = s.min(b);
  __m512i sums[M] = {};
  dots<M>(weights, act, 0, kGroups, sums);
  NEXTN_UNROLL
  for (int m = 0; m < M; m++) {
    total[m] = _mm512_add_epi32(total[m], _mm512_mullo_epi32(sums[m], scale));
    add_pairs(mins[m], min, act.sum + m * act.k_sum);
  }
}

template <int M>
NEXTN_INLINE void add_superblock(const uint8_t* super, const Acts& act, const __m512i (&total)[M],
                                 const __m512i (&mins)[M], __m512 (&acc)[M]) {
  add_scaled<M>(total, act, halves_at(super), acc);
  add_scaled<M>(mins, act, minus(halves_at(super + 32)), acc);
}

// What superblock.h says of a format; the kernels of few rows are their own here.
struct ScaledAndShifted : Super<ScaledAndShifted> {
  static constexpr bool kOneScale = true, kMins = true;
  using Scales = ScaleMin;

  NEXTN_INLINE __m512i scale(const ScaleMin& s, int b, int) { return s.scale(b); }
  NEXTN_INLINE __m512i mins(const ScaleMin& s, int b) { return s.min(b); }
  NEXTN_INLINE __m512 dmin(const uint8_t* super) { return halves_at(super + 2 * kTileRows); }
};

struct Q4_K : ScaledAndShifted {
  static constexpr int kBytes = 144 * kTileRows;

  NEXTN_INLINE void weights(const uint8_t* super, int b, Words& w) {
    const uint8_t* qs = super + 16 * kTileRows + b / 2 * kGroups * kWord;
    const __m128i count = _mm_cvtsi32_si128(b % 2 * 4);
    NEXTN_UNROLL
    for (int g = 0; g < kGroups; g++) {
      w.v[g] = _mm512_and_si512(_mm512_srl_epi16(word_at(qs + g * kWord), count), _mm512_set1_epi8(15));
    }
  }

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* super, const Acts& act, __m512 (&acc)[M]) {
    const ScaleMin s(super);
    __m512i total[M] = {}, mins[M] = {};
    for (int c = 0; c < 4; c++) {
      const uint8_t* qs = super + 16 * kTileRows + c * kGroups * kWord;
      prefetch<kBytes, 4, M == 1>(super, c);
      const __m512i nibble = _mm512_set1_epi8(15);
      const auto low = [&](int g) { return _mm512_and_si512(word_at(qs + g * kWord), nibble); };
      add_sub_block<M>(low, 2 * c, s, act.from(64 * c), total, mins);
      const auto high = [&](int g) { return _mm512_and_si512(_mm512_srli_epi16(word_at(qs + g * kWord), 4), nibble); };
      add_sub_block<M>(high, 2 * c + 1, s, act.from(64 * c + 32), total, mins);
    }
    add_superblock<M>(super, act, total, mins, acc);
  }
};

struct Q5_K : ScaledAndShifted {
  static constexpr int kBytes = 176 * kTileRows;

  NEXTN_INLINE void weights(const uint8_t* super, int b, Words& w) {
    const uint8_t* qh = super + 16 * kTileRows;
    const uint8_t* qs = super + 48 * kTileRows + b / 2 * kGroups * kWord;
    const __m128i count = _mm_cvtsi32_si128(b % 2 * 4);
    const __m512i turn = _mm512_set1_epi32(4 - b);
    NEXTN_UNROLL
    for (int g = 0; g < kGroups; g++) {
      w.v[g] = join(_mm512_srl_epi16(word_at(qs + g * kWord), count), _mm512_rolv_epi32(word_at(qh + g * kWord), turn),
                    0x1f);
    }
  }

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* super, const Acts& act, __m512 (&acc)[M]) {
    const ScaleMin s(super);
    __m512i total[M] = {}, mins[M] = {};
    for (int b = 0; b < 8; b += 2) {
      const uint8_t* qh = super + 16 * kTileRows;
      const uint8_t* qs = super + 48 * kTileRows + b / 2 * kGroups * kWord;
      prefetch<kBytes, 4, M == 1>(super, b / 2);
      // Bit b of every byte is turned to bit 4. A loop, for eight copies of this are slower (bench/LOG.md V2).
      const __m512i turn = _mm512_set1_epi32(4 - b), turn_odd = _mm512_set1_epi32(3 - b);
      const auto low = [&](int g) {
        return join(word_at(qs + g * kWord), _mm512_rolv_epi32(word_at(qh + g * kWord), turn), 0x1f);
      };
      add_sub_block<M>(low, b, s, act.from(32 * b), total, mins);
      const auto high = [&](int g) {
        return join(shift<-4>(word_at(qs + g * kWord)), _mm512_rolv_epi32(word_at(qh + g * kWord), turn_odd), 0x1f);
      };
      add_sub_block<M>(high, b + 1, s, act.from(32 * b + 32), total, mins);
    }
    add_superblock<M>(super, act, total, mins, acc);
  }
};

struct Q6_K : Super<Q6_K> {
  static constexpr int kBytes = 210 * kTileRows, kOffset = 32;
  static constexpr int kThree = 3 * kWord;  // a word of qh, and two of ql that go with it

  NEXTN_INLINE void weights(const uint8_t* super, int b, Words& w) {
    const uint8_t* const high = super + 18 * kTileRows + b / 4 * kGroups * kThree;
    const uint8_t* const low = high + (1 + b % 2) * kWord;
    const __m128i low_count = _mm_cvtsi32_si128(b % 4 / 2 * 4), high_count = _mm_cvtsi32_si128(b % 4 * 2);
    NEXTN_UNROLL
    for (int g = 0; g < kGroups; g++) {
      w.v[g] = join(_mm512_srl_epi16(word_at(low + g * kThree), low_count),
                    _mm512_slli_epi16(_mm512_srl_epi16(word_at(high + g * kThree), high_count), 4), 0x3f);
    }
  }
  NEXTN_INLINE __m512i scale_at(const uint8_t* scale) {
    return _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(scale)));
  }
  NEXTN_INLINE __m512i scale(const uint8_t* super, int b, int i) {
    return scale_at(super + (2 + 2 * b + i) * kTileRows);
  }

  // Part P of a half superblock: the 32 inputs that take bits 2P and 2P + 1 of qh. Four of them, out of three words.
  template <int P>
  NEXTN_INLINE __m512i part(__m512i high, const __m512i (&low)[2]) {
    return join(shift<P / 2 * -4>(low[P % 2]), shift<4 - 2 * P>(high), 0x3f);
  }

  // The first or the last 16 inputs of every part of a half superblock: their words, and for part 0 the scales, the
  // activations and -32 times the sums of these, 16 of them a row.
  struct Quarter {
    const uint8_t *words, *scales;
    const int8_t* q;
    int64_t k;
    const int32_t* bias;
  };

  // Adds the parts P of a quarter.
  template <int M, int... P>
  NEXTN_INLINE void add_parts(const Quarter& quarter, __m512i (&total)[M]) {
    __m512i sums[sizeof...(P)][M];
    int i = 0;
    const auto begin = [&](__m512i(&to)[M], int p) {
      NEXTN_UNROLL
      for (int m = 0; m < M; m++) to[m] = _mm512_set1_epi32(quarter.bias[m * 16 + 2 * p]);
    };
    (begin(sums[i++], P), ...);
    NEXTN_UNROLL
    for (int g = 0; g < kGroups / 2; g++) {
      const uint8_t* const at = quarter.words + g * kThree;
      const __m512i high = word_at(at), low[2] = {word_at(at + kWord), word_at(at + 2 * kWord)};
      const auto add = [&](__m512i(&to)[M], int p, __m512i w) {
        NEXTN_UNROLL
        for (int m = 0; m < M; m++) add_dots(to[m], w, quarter.q + m * quarter.k + 32 * p + 4 * g);
      };
      i = 0;
      (add(sums[i++], P, part<P>(high, low)), ...);
    }
    const auto end = [&](const __m512i(&dots)[M], int p) {
      const __m512i by = scale_at(quarter.scales + 2 * p * kTileRows);
      NEXTN_UNROLL
      for (int m = 0; m < M; m++) total[m] = _mm512_add_epi32(total[m], _mm512_mullo_epi32(dots[m], by));
    };
    i = 0;
    (end(sums[i++], P), ...);
  }

  template <int M>
  NEXTN_INLINE void add_block(const uint8_t* super, const Acts& act, __m512 (&acc)[M]) {
    alignas(64) int32_t bias[M][16];
    NEXTN_UNROLL
    for (int m = 0; m < M; m++) {
      const __m256i sum = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(act.sum + m * act.k_sum));
      _mm512_store_si512(bias[m], _mm512_mullo_epi32(_mm512_cvtepi16_epi32(sum), _mm512_set1_epi32(-32)));
    }
    Quarter quarter = {super + 18 * kTileRows, super + 2 * kTileRows, act.q, act.k, bias[0]};
    __m512i total[M] = {};
    for (int j = 0; j < 4; j++) {
      prefetch<kBytes, 4, M == 1>(super, j);
      if constexpr (M <= 4) {  // so few rows that the sums of all parts fit the registers
        add_parts<M, 0, 1, 2, 3>(quarter, total);
      } else {
        add_parts<M, 0>(quarter, total);
        add_parts<M, 1>(quarter, total);
        add_parts<M, 2>(quarter, total);
        add_parts<M, 3>(quarter, total);
      }
      const int past = j % 2;  // the half superblock; else to the other 16 inputs of each part
      quarter.words += kGroups / 2 * kThree;
      quarter.scales += (1 + 6 * past) * kTileRows;
      quarter.q += 16 + 96 * past;
      quarter.bias += 1 + 6 * past;
    }
    add_scaled<M>(total, act, halves_at(super), acc);
  }
};

struct IQ4_XS : Super<IQ4_XS> {
  static constexpr int kBytes = 136 * kTileRows, kOffset = 128;
  static constexpr bool kOneScale = true;

  NEXTN_INLINE void weights(const uint8_t* super, int b, Words& w) {
    const __m128i values = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kIq4Values));
    const __m512i table = _mm512_xor_si512(_mm512_broadcast_i32x4(values), _mm512_set1_epi8(-128));
    const uint8_t* qs = super + 8 * kTileRows + b * 4 * kWord;
    NEXTN_UNROLL
    for (int g = 0; g < kGroups; g++) w.v[g] = _mm512_shuffle_epi8(table, nibbles_of(qs, g));
  }
  NEXTN_INLINE __m512i scale(const uint8_t* super, int b, int) {
    const __m512i four = bits_of(row_bytes(super + (4 + b / 2) * kTileRows), b % 2 * 4, 4);
    const __m512i two = bits_of(row_units(super + 2 * kTileRows), 2 * b, 2);
    return _mm512_sub_epi32(_mm512_or_si512(four, _mm512_slli_epi32(two, 4)), _mm512_set1_epi32(32));
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
    prefetch<4 * Format::kBytes, 1, M == 1>(w, 0);
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

void matmul_many_q4_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  many_tiles<Q4_K>(args, tile_first, tile_last);
}
void matmul_many_q5_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  many_tiles<Q5_K>(args, tile_first, tile_last);
}
void matmul_many_q6_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  many_tiles<Q6_K>(args, tile_first, tile_last);
}
void matmul_many_iq4_xs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  many_tiles<IQ4_XS>(args, tile_first, tile_last);
}

}  // namespace nextn::avx512
