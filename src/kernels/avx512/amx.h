// The matmul of many rows for the formats of superblocks, with AMX: 16 rows of activations times 16 of weights at a
// time.
//
// A weight times its integer scale has at most 13 bits. These are split into two planes of bytes, so that TDPBSUD and
// TDPBSSD add up a whole superblock before anything has to be scaled: 256 (high plane . q) + low plane . q is the exact
// integer that scalar/matmul.cc defines. The words of pack.h are what these instructions want as their second operand,
// rows of activations as their first.
#pragma once

#include "kernels/avx512/superblock.h"

namespace nextn::avx512 {

constexpr int kAmxBytes = 16 * 64;  // of a register of AMX: 16 rows of 64 bytes
constexpr int kAmxRows = 16;

// A superblock of a tile of weights.
template <class Format>
struct Planes {
  // Minima that meet one sum of activations each: of sub-blocks, or of their halves.
  static constexpr int kMins = !Format::kMins ? 0 : Format::kOneScale ? 8 : 16;

  alignas(64) uint8_t low[64 * kWord], high[64 * kWord];  // words, of weights times scales
  __m512i mins[kMins == 0 ? 1 : kMins / 2];               // two in each lane
  __m512 d, dmin;

  NEXTN_INLINE_MEMBER void unpack(const uint8_t* super) {
    const typename Format::Scales scales(super);
    for (int b = 0; b < 8; b++) {
      Words w;
      Format::weights(super, b, w);
      const __m512i scale0 = twice(Format::scale(scales, b, 0));
      const __m512i scale1 = Format::kOneScale ? scale0 : twice(Format::scale(scales, b, 1));
      NEXTN_UNROLL
      for (int g = 0; g < kGroups; g++) put(b * kGroups + g, w(g), g < 4 ? scale0 : scale1);
      if constexpr (kMins == 16) mins[b] = Format::mins(scales, b);
      if constexpr (kMins == 8) {
        const __m512i min = Format::mins(scales, b);
        mins[b / 2] = b % 2 == 0 ? min : _mm512_mask_mov_epi16(mins[b / 2], 0xaaaaaaaa, min);
      }
    }
    d = Format::d(super);
    if constexpr (kMins > 0) dmin = Format::dmin(super);
  }

 private:
  // The lower 16 bits of each lane in both halves of it.
  NEXTN_INLINE __m512i twice(__m512i x) {
    return _mm512_or_si512(_mm512_slli_epi32(x, 16), _mm512_and_si512(x, _mm512_set1_epi32(0xffff)));
  }

  // Group g: unsigned weights with kOffset added, and their scale in both halves of a lane.
  NEXTN_INLINE_MEMBER void put(int g, __m512i w, __m512i scale) {
    const __m512i byte = _mm512_set1_epi16(255), offset = _mm512_set1_epi16(Format::kOffset);
    __m512i even = _mm512_and_si512(w, byte), odd = _mm512_srli_epi16(w, 8);
    if constexpr (Format::kOffset != 0) even = _mm512_sub_epi16(even, offset), odd = _mm512_sub_epi16(odd, offset);
    even = _mm512_mullo_epi16(even, scale);
    odd = _mm512_mullo_epi16(odd, scale);
    _mm512_store_si512(low + g * kWord, _mm512_ternarylogic_epi64(byte, even, _mm512_slli_epi16(odd, 8), 0xca));
    _mm512_store_si512(high + g * kWord, _mm512_ternarylogic_epi64(byte, _mm512_srli_epi16(even, 8), odd, 0xca));
  }
};

// What the registers of AMX hold: products in 0 .. 3, activations in 4, a plane in 5.
struct [[gnu::packed]] AmxConfig {
  uint8_t palette = 1, start_row = 0, zero[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16};
};

// GCC 12 does not know that the instructions of AMX read memory.
NEXTN_INLINE void compiler_barrier() {
  asm volatile("" ::: "memory");
}

// One superblock of N tiles and many rows: products of the planes, and what they are scaled to.
template <class Format, int N>
class ManyRows {
 public:
  using Acc = float (*)[N][kTileRows];  // (rows, N, 16)

  NEXTN_INLINE_MEMBER ManyRows(const Planes<Format> (&p)[N], const Acts& act, Acc acc) : p_(p), act_(act), acc_(acc) {}

  // acc += superblock times the n rows, 16 .. kMaxManyRows. The products of 16 rows are made while those before them
  // are scaled.
  NEXTN_INLINE_MEMBER void add(int n) {
    Products products[2];
    alignas(32) int16_t sums[kMaxManyRows][kMins == 0 ? 1 : kMins];
    if constexpr (kMins > 0) {
      for (int m = 0; m < n; m++) add_up_sums(m, sums[m]);
    }
    const auto first = [&](int r) { return r + kAmxRows <= n ? r : n - kAmxRows; };
    clear();
    for (int i = 0; i < 4; i++) multiply(0, i);
    store(products[0]);
    int turn = 0;
    for (int r = 0; r < n; r += kAmxRows, turn ^= 1) {
      const bool more = r + kAmxRows < n;
      if (more) clear();
      for (int i = 0; i < 4; i++) {
        if (more) multiply(first(r + kAmxRows), i);
        for (int m = 4 * i; m < 4 * i + 4; m++) {
          prefetch_row(r + 2 * kAmxRows + m, n);
          // The last rows may have been there before: their products are made again and not used.
          if (first(r) + m >= r) scale(first(r) + m, sums[first(r) + m], products[turn], m);
        }
      }
      if (more) store(products[turn ^ 1]);
    }
  }

 private:
  static constexpr int kMins = Planes<Format>::kMins;

  struct Products {
    alignas(64) int32_t of[N][2][kAmxRows][16];  // low and high plane
  };

  // The sums that the minima of row m meet.
  NEXTN_INLINE_MEMBER void add_up_sums(int m, int16_t* to) const {
    const __m256i sixteen = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(act_.sum + m * act_.k_sum));
    if constexpr (kMins == 16) _mm256_store_si256(reinterpret_cast<__m256i*>(to), sixteen);
    if constexpr (kMins == 8) {
      const __m256i eight = _mm256_madd_epi16(sixteen, _mm256_set1_epi16(1));
      _mm_store_si128(reinterpret_cast<__m128i*>(to), _mm256_cvtepi32_epi16(eight));
    }
  }

  NEXTN_INLINE void clear() {
    _tile_zero(0);
    _tile_zero(1);
    if constexpr (N == 2) {
      _tile_zero(2);
      _tile_zero(3);
    }
  }
  // Inputs 64i .. 64i + 63 of rows m .. m + 15.
  NEXTN_INLINE_MEMBER void multiply(int m, int i) const {
    _tile_loadd(4, act_.q + m * act_.k + 64 * i, act_.k);
    _tile_loadd(5, p_[0].low + i * kAmxBytes, 64);
    _tile_dpbsud(0, 4, 5);
    _tile_loadd(5, p_[0].high + i * kAmxBytes, 64);
    _tile_dpbssd(1, 4, 5);
    if constexpr (N == 2) {
      _tile_loadd(5, p_[1].low + i * kAmxBytes, 64);
      _tile_dpbsud(2, 4, 5);
      _tile_loadd(5, p_[1].high + i * kAmxBytes, 64);
      _tile_dpbssd(3, 4, 5);
    }
  }
  NEXTN_INLINE void store(Products& to) {
    _tile_stored(0, to.of[0][0], 64);
    _tile_stored(1, to.of[0][1], 64);
    if constexpr (N == 2) {
      _tile_stored(2, to.of[1][0], 64);
      _tile_stored(3, to.of[1][1], 64);
    }
  }
  // Row m, and after the n-th the first ones of the next superblock.
  NEXTN_INLINE_MEMBER void prefetch_row(int m, int n) const {
    const int8_t* const q = act_.q + (m < n ? m * act_.k : (m - n) * act_.k + Format::kInputs);
    NEXTN_UNROLL
    for (int i = 0; i < Format::kInputs; i += 64) _mm_prefetch(reinterpret_cast<const char*>(q) + i, _MM_HINT_T0);
  }
  // Row m, whose products are those of row i.
  NEXTN_INLINE_MEMBER void scale(int m, const int16_t* sums, const Products& products, int i) const {
    const __m512 a = act_.scale_of(m);
    NEXTN_UNROLL
    for (int j = 0; j < N; j++) {
      const __m512i low = _mm512_load_si512(products.of[j][0][i]), high = _mm512_load_si512(products.of[j][1][i]);
      const __m512i total = _mm512_add_epi32(_mm512_slli_epi32(high, 8), low);
      __m512 y = _mm512_load_ps(acc_[m][j]);
      y = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(total), a), p_[j].d, y);
      if constexpr (kMins > 0) {
        __m512i min = _mm512_setzero_si512();
        NEXTN_UNROLL
        for (int b = 0; b < kMins / 2; b++) add_pairs(min, p_[j].mins[b], sums + 2 * b);
        y = _mm512_fnmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(min), a), p_[j].dmin, y);
      }
      _mm512_store_ps(acc_[m][j], y);
    }
  }

  const Planes<Format> (&p_)[N];
  const Acts& act_;
  Acc acc_;
};

// N tiles from t on.
template <class Format, int N>
static void many_rows(const MatmulArgs& args, int64_t t) {
  Planes<Format> planes[N];
  alignas(64) float acc[kMaxManyRows][N][kTileRows];
  std::memset(acc, 0, static_cast<size_t>(args.n_rows) * sizeof *acc);
  const int64_t k = args.k, tile = k / Format::kInputs * Format::kBytes;
  const uint8_t* block = args.w + t * tile;
  Acts act = {args.act.q, args.act.scale, args.act.sum, k, k / 32, k / 16};
  for (int64_t at = 0; at < k; at += Format::kInputs, block += Format::kBytes, act = act.from(Format::kInputs)) {
    NEXTN_UNROLL
    for (int j = 0; j < N; j++) planes[j].unpack(block + j * tile);
    compiler_barrier();
    ManyRows<Format, N>(planes, act, acc).add(args.n_rows);
  }
  for (int m = 0; m < args.n_rows; m++) {
    NEXTN_UNROLL
    for (int j = 0; j < N; j++) store(args, t + j, m, _mm512_load_ps(acc[m][j]));
  }
}

// KernelTable::matmul_many.
template <class Format>
static void many_tiles(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  const AmxConfig config;
  compiler_barrier();
  _tile_loadconfig(&config);
  int64_t t = tile_first;
  for (; t + 2 <= tile_last; t += 2) many_rows<Format, 2>(args, t);
  if (t < tile_last) many_rows<Format, 1>(args, t);
  _tile_release();
}

}  // namespace nextn::avx512
