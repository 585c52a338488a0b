// Matmul of the IQ formats below 4 bits; scalar/matmul.cc defines the numbers. Groups of weights are looked up in the
// grids one by one: gathering is slower on many CPUs.
#include "kernels/avx2/functions.h"
#include "kernels/avx2/superblock.h"
#include "quant/iq_grids.h"

namespace nextn::avx2 {

namespace {

// Entries of four weights for eight rows; index(r) is that of row r. Broadcasts and blends, which leave the unit
// that shuffles alone here.
template <class Index>
NEXTN_INLINE __m256i look_up(const uint32_t* grid, const Index& index) {
  const auto entry = [&](int r) __attribute__((always_inline)) {
    return _mm256_set1_epi32(static_cast<int32_t>(grid[index(r)]));
  };
  const __m256i x01 = _mm256_blend_epi32(entry(0), entry(1), 0x02), x23 = _mm256_blend_epi32(entry(2), entry(3), 0x08),
                x45 = _mm256_blend_epi32(entry(4), entry(5), 0x20), x67 = _mm256_blend_epi32(entry(6), entry(7), 0x80);
  return _mm256_blend_epi32(_mm256_blend_epi32(x01, x23, 0x0c), _mm256_blend_epi32(x45, x67, 0xc0), 0xf0);
}

// Entries of eight weights for eight rows: the first four of each row, and the last four.
struct Two {
  __m256i first, last;
};
template <class Index>
NEXTN_INLINE Two look_up(const uint64_t* grid, const Index& index) {
  const auto entry = [&](int r) __attribute__((always_inline)) {
    return _mm256_castsi256_ps(_mm256_set1_epi64x(static_cast<int64_t>(grid[index(r)])));
  };
  const auto four = [&](int r) __attribute__((always_inline)) {  // of rows r, r + 1, r + 4, r + 5
    return _mm256_blend_ps(_mm256_blend_ps(entry(r), entry(r + 1), 0x0c),
                           _mm256_blend_ps(entry(r + 4), entry(r + 5), 0xc0), 0xf0);
  };
  const __m256 a = four(0), b = four(2);
  return {_mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88)), _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xdd))};
}

// A turned word of signs: those of group g as the highest bits of bytes that are not 0.
NEXTN_INLINE __m256i signs_of_group(__m256i word, int g) {
  return _mm256_or_si256(_mm256_slli_epi16(word, 7 - g), _mm256_set1_epi8(1));
}

// A word of 28 signs and four other bits (pack.h). The eighth sign of each byte makes the number of them even.
NEXTN_INLINE __m256i all_signs(__m256i word) {
  const __m256i given = _mm256_and_si256(word, _mm256_set1_epi32(0x55ffffff));
  __m256i odd = _mm256_xor_si256(given, _mm256_srli_epi32(given, 16));
  odd = _mm256_xor_si256(odd, _mm256_srli_epi32(odd, 8));  // bit g: of group g
  odd = _mm256_and_si256(_mm256_xor_si256(odd, _mm256_slli_epi32(odd, 1)), _mm256_set1_epi32(0xaa));
  return _mm256_or_si256(given, _mm256_slli_epi32(odd, 24));
}
// Its other bits as a number.
NEXTN_INLINE __m256i other_bits(__m256i word) {
  __m256i x = _mm256_and_si256(_mm256_srli_epi32(word, 25), _mm256_set1_epi32(0x55));
  x = _mm256_and_si256(_mm256_or_si256(x, _mm256_srli_epi32(x, 1)), _mm256_set1_epi32(0x33));
  return _mm256_and_si256(_mm256_or_si256(x, _mm256_srli_epi32(x, 2)), _mm256_set1_epi32(15));
}

NEXTN_INLINE __m256i bytes_as_units(const uint8_t* p) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
// Indices: a byte of each row, and above it those bits of `high` that are in `keep`.
NEXTN_INLINE void put(uint16_t (&to)[kTileRows], const uint8_t* low, __m256i high, int keep) {
  const __m256i bits = _mm256_and_si256(high, _mm256_set1_epi16(static_cast<int16_t>(keep)));
  _mm256_store_si256(reinterpret_cast<__m256i*>(to), _mm256_or_si256(bytes_as_units(low), bits));
}

template <class Format>
struct Signed : Super<Format> {
  static constexpr bool kSigned = true;
};
template <int n>
struct SignWords {
  NEXTN_INLINE_MEMBER __m256i sign(int g, int h) const { return signs_of_group(signs[h], g); }
  __m256i signs[n];
};

// Keeps the second half of an entry until its group comes.
struct Entries {
  template <class Index>
  NEXTN_INLINE_MEMBER __m256i group(const uint64_t* grid, int g, int h, const Index& index) {
    if (g % 2 == 1) return last[h];
    const Two both = look_up(grid, index);
    last[h] = both.last;
    return both.first;
  }
  __m256i last[2];
};

struct IQ2_XXS : Signed<IQ2_XXS> {
  static constexpr int kBytes = 66 * kTileRows, kRun = 2;

  template <int>
  struct Sub : SignWords<2>, Entries {
    NEXTN_INLINE_MEMBER Sub(const uint8_t* super, const Scales&, int b)
        : indices(super + 2 * kTileRows + b * 2 * kWord) {
      NEXTN_UNROLL
      for (int h = 0; h < 2; h++) {
        const __m256i word = load(indices + kWord + h * 32);
        signs[h] = all_signs(word);
        scale[h] = odd_scale(other_bits(word));
      }
    }
    NEXTN_INLINE_MEMBER __m256i size(int g, int h) {
      return group(kIq2XxsGrid.entries, g, h, [&](int r) { return indices[32 * h + 4 * r + g / 2]; });
    }
    NEXTN_INLINE_MEMBER __m256i by(int, int h) const { return scale[h]; }
    const uint8_t* indices;
    __m256i scale[2];
  };

  NEXTN_INLINE __m256 d(const uint8_t* super, int h) {
    return _mm256_mul_ps(halves_at(super + h * 16), _mm256_set1_ps(0.125f));
  }
};

struct IQ2_XS : Signed<IQ2_XS> {
  static constexpr int kBytes = 74 * kTileRows, kRun = 2;

  struct Scales {
    NEXTN_INLINE_MEMBER explicit Scales(const uint8_t* super) {
      for (int i = 0; i < 16; i++) {  // a half of a sub-block's rows
        const uint8_t* words = super + 10 * kTileRows + i / 2 * 2 * kWord + i % 2 * 32;
        const __m256i low = load(words), word = load(words + kWord);
        NEXTN_UNROLL
        for (int l = 0; l < 4; l++) {
          const __m256i ninth = _mm256_and_si256(_mm256_srli_epi32(word, 17 + 2 * l), _mm256_set1_epi32(256));
          const __m256i byte = _mm256_and_si256(_mm256_srli_epi32(low, 8 * l), _mm256_set1_epi32(255));
          _mm256_store_si256(reinterpret_cast<__m256i*>(indices[i / 2 * 4 + l] + i % 2 * 8),
                             _mm256_or_si256(byte, ninth));
        }
      }
    }
    alignas(32) uint32_t indices[32][kTileRows];
  };

  template <int>
  struct Sub : SignWords<2>, Entries {
    NEXTN_INLINE_MEMBER Sub(const uint8_t* super, const Scales& s, int b)
        : scales(super + (2 + b) * kTileRows), indices(s.indices + 4 * b) {
      NEXTN_UNROLL
      for (int h = 0; h < 2; h++) signs[h] = all_signs(load(super + 10 * kTileRows + (2 * b + 1) * kWord + h * 32));
    }
    NEXTN_INLINE_MEMBER __m256i size(int g, int h) {
      return group(kIq2XsGrid.entries, g, h, [&](int r) { return indices[g / 2][8 * h + r]; });
    }
    NEXTN_INLINE_MEMBER __m256i by(int i, int h) const { return odd_scale(row_nibbles(scales + h * 8, i)); }
    const uint8_t* scales;
    const uint32_t (*indices)[kTileRows];
  };

  NEXTN_INLINE __m256 d(const uint8_t* super, int h) { return IQ2_XXS::d(super, h); }
};

struct IQ2_S : Signed<IQ2_S> {
  static constexpr int kBytes = 82 * kTileRows, kRun = 2;

  struct Scales {
    NEXTN_INLINE_MEMBER explicit Scales(const uint8_t* super) {
      for (int b = 0; b < 8; b++) {
        const __m256i high = bytes_as_units(super + (2 + b) * kTileRows);
        NEXTN_UNROLL
        for (int l = 0; l < 4; l++) {
          put(indices[4 * b + l], super + (18 + 4 * b + l) * kTileRows, _mm256_slli_epi16(high, 8 - 2 * l), 0x300);
        }
      }
    }
    alignas(32) uint16_t indices[32][kTileRows];
  };

  template <int>
  struct Sub : SignWords<2>, Entries {
    NEXTN_INLINE_MEMBER Sub(const uint8_t* super, const Scales& s, int b)
        : scales(super + (10 + b) * kTileRows), indices(s.indices + 4 * b) {
      NEXTN_UNROLL
      for (int h = 0; h < 2; h++) signs[h] = load(super + 50 * kTileRows + b * kWord + h * 32);
    }
    NEXTN_INLINE_MEMBER __m256i size(int g, int h) {
      return group(kIq2SGrid.entries, g, h, [&](int r) { return indices[g / 2][8 * h + r]; });
    }
    NEXTN_INLINE_MEMBER __m256i by(int i, int h) const { return odd_scale(row_nibbles(scales + h * 8, i)); }
    const uint8_t* scales;
    const uint16_t (*indices)[kTileRows];
  };

  NEXTN_INLINE __m256 d(const uint8_t* super, int h) { return IQ2_XXS::d(super, h); }
};

struct IQ3_XXS : Signed<IQ3_XXS> {
  static constexpr int kBytes = 98 * kTileRows, kRun = 2;

  template <int>
  struct Sub : SignWords<2> {
    NEXTN_INLINE_MEMBER Sub(const uint8_t* super, const Scales&, int b) : indices(super + (2 + 8 * b) * kTileRows) {
      NEXTN_UNROLL
      for (int h = 0; h < 2; h++) {
        const __m256i word = load(super + 66 * kTileRows + b * kWord + h * 32);
        signs[h] = all_signs(word);
        scale[h] = odd_scale(other_bits(word));
      }
    }
    NEXTN_INLINE_MEMBER __m256i size(int g, int h) const {
      return look_up(kIq3XxsGrid.entries, [&](int r) { return indices[g * kTileRows + 8 * h + r]; });
    }
    NEXTN_INLINE_MEMBER __m256i by(int, int h) const { return scale[h]; }
    const uint8_t* indices;
    __m256i scale[2];
  };

  NEXTN_INLINE __m256 d(const uint8_t* super, int h) {
    return _mm256_mul_ps(halves_at(super + h * 16), _mm256_set1_ps(0.25f));
  }
};

struct IQ3_S : Signed<IQ3_S> {
  static constexpr int kBytes = 110 * kTileRows, kRun = 8;

  struct Scales {
    NEXTN_INLINE_MEMBER explicit Scales(const uint8_t* super) {
      for (int b = 0; b < 8; b++) {
        const __m256i high = bytes_as_units(super + (2 + b) * kTileRows);
        NEXTN_UNROLL
        for (int g = 0; g < kGroups; g++) {
          put(indices[8 * b + g], super + (14 + 8 * b + g) * kTileRows, _mm256_slli_epi16(high, 8 - g), 0x100);
        }
      }
    }
    alignas(32) uint16_t indices[64][kTileRows];
  };

  template <int>
  struct Sub : SignWords<2> {
    NEXTN_INLINE_MEMBER Sub(const uint8_t* super, const Scales& s, int b) : indices(s.indices + 8 * b) {
      NEXTN_UNROLL
      for (int h = 0; h < 2; h++) {
        signs[h] = load(super + 78 * kTileRows + b * kWord + h * 32);
        scale[h] = odd_scale(row_nibbles(super + (10 + b / 2) * kTileRows + h * 8, b % 2));
      }
    }
    NEXTN_INLINE_MEMBER __m256i size(int g, int h) const {
      return look_up(kIq3SGrid.entries, [&](int r) { return indices[g][8 * h + r]; });
    }
    NEXTN_INLINE_MEMBER __m256i by(int, int h) const { return scale[h]; }
    __m256i scale[2];
    const uint16_t (*indices)[kTileRows];
  };
};

// 2 where the sign bit of a lane is clear, which makes 8 (grid + 1) + 1 - 1 to 8 (grid + 1) + 1 + 1.
NEXTN_INLINE __m256i shift_up(__m256i lanes) {
  return _mm256_andnot_si256(_mm256_srai_epi32(lanes, 31), _mm256_set1_epi8(2));
}

struct IQ1_S : Super<IQ1_S> {
  static constexpr int kBytes = 50 * kTileRows, kOffset = 9;

  struct Scales {
    NEXTN_INLINE_MEMBER explicit Scales(const uint8_t* super) {
      for (int b = 0; b < 8; b++) {
        const __m256i high = load(super + (2 + 2 * b) * kTileRows);
        NEXTN_UNROLL
        for (int l = 0; l < 4; l++) {
          const __m256i bits = l < 3 ? _mm256_slli_epi16(high, 8 - 3 * l) : _mm256_srli_epi16(high, 1);
          put(indices[4 * b + l], super + (18 + 4 * b + l) * kTileRows, bits, 0x700);
        }
      }
    }
    alignas(32) uint16_t indices[32][kTileRows];
  };

  template <int>
  struct Sub : Entries {
    NEXTN_INLINE_MEMBER Sub(const uint8_t* super, const Scales& s, int b) : indices(s.indices + 4 * b) {
      const uint8_t* qh = super + (2 + 2 * b) * kTileRows;
      NEXTN_UNROLL
      for (int h = 0; h < 2; h++) {
        const __m256i units = row_units(qh + h * 16);
        up[h] = shift_up(_mm256_slli_epi32(units, 16));
        scale[h] = odd_scale(_mm256_and_si256(_mm256_srli_epi32(units, 12), _mm256_set1_epi32(7)));
      }
    }
    NEXTN_INLINE_MEMBER __m256i size(int g, int h) {
      const __m256i entries = group(kIq1Grid.entries, g, h, [&](int r) { return indices[g / 2][8 * h + r]; });
      return _mm256_add_epi8(entries, up[h]);
    }
    NEXTN_INLINE_MEMBER __m256i by(int, int h) const { return scale[h]; }
    __m256i up[2], scale[2];
    const uint16_t (*indices)[kTileRows];
  };

  NEXTN_INLINE __m256 d(const uint8_t* super, int h) { return IQ2_XXS::d(super, h); }
};

struct IQ1_M : Super<IQ1_M> {
  static constexpr int kBytes = 56 * kTileRows, kOffset = 9;

  struct Scales {
    NEXTN_INLINE_MEMBER explicit Scales(const uint8_t* super) {
      for (int i = 0; i < 16; i++) {  // a byte of qh has the bits of two indices
        const __m256i high = bytes_as_units(super + (40 + i) * kTileRows);
        const uint8_t* low = super + (8 + 2 * i) * kTileRows;
        put(indices[2 * i], low, _mm256_slli_epi16(high, 8), 0x700);
        put(indices[2 * i + 1], low + kTileRows, _mm256_slli_epi16(high, 4), 0x700);
      }
    }
    alignas(32) uint16_t indices[32][kTileRows];
  };

  template <int>
  struct Sub : Entries {
    NEXTN_INLINE_MEMBER Sub(const uint8_t* super, const Scales& s, int b)
        : qh(super + (40 + 2 * b) * kTileRows),
          scales(super + b / 2 * 2 * kTileRows),
          scale_bit(b % 2 * 6),
          indices(s.indices + 4 * b) {}
    NEXTN_INLINE_MEMBER __m256i size(int g, int h) {
      const __m256i entries = group(kIq1Grid.entries, g, h, [&](int r) { return indices[g / 2][8 * h + r]; });
      const __m256i bytes = row_bytes(qh + g / 4 * kTileRows + h * 8);
      return _mm256_add_epi8(entries, shift_up(_mm256_slli_epi32(bytes, g / 2 % 2 == 0 ? 28 : 24)));
    }
    NEXTN_INLINE_MEMBER __m256i by(int i, int h) const {
      return odd_scale(
          _mm256_and_si256(shift_right(row_units(scales + h * 16), scale_bit + 3 * i), _mm256_set1_epi32(7)));
    }
    const uint8_t *qh, *scales;
    int scale_bit;
    const uint16_t (*indices)[kTileRows];
  };

  NEXTN_INLINE __m256 d(const uint8_t* super, int h) {
    __m128i half = _mm_setzero_si128();
    NEXTN_UNROLL
    for (int i = 3; i >= 0; i--) {
      const __m128i word = _mm_loadu_si128(reinterpret_cast<const __m128i*>(super + i * 32 + h * 16));
      half = _mm_or_si128(_mm_slli_epi16(half, 4), _mm_srli_epi16(word, 12));
    }
    return _mm256_mul_ps(_mm256_cvtph_ps(half), _mm256_set1_ps(0.125f));
  }
};

}  // namespace

void matmul_iq2_xxs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  RowGroups<IQ2_XXS>::run(args, tile_first, tile_last);
}
void matmul_iq2_xs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  RowGroups<IQ2_XS>::run(args, tile_first, tile_last);
}
void matmul_iq2_s(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  RowGroups<IQ2_S>::run(args, tile_first, tile_last);
}
void matmul_iq3_xxs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  RowGroups<IQ3_XXS>::run(args, tile_first, tile_last);
}
void matmul_iq3_s(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  RowGroups<IQ3_S>::run(args, tile_first, tile_last);
}
void matmul_iq1_s(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  RowGroups<IQ1_S>::run(args, tile_first, tile_last);
}
void matmul_iq1_m(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  RowGroups<IQ1_M>::run(args, tile_first, tile_last);
}

}  // namespace nextn::avx2
