// Matmul of Q2_K, Q3_K and the ternary formats; scalar/matmul.cc defines the numbers.
#include "kernels/avx2/functions.h"
#include "kernels/avx2/superblock.h"

namespace nextn::avx2 {

namespace {

// Two bits of each byte of group g of half h: the qs of part P of half a superblock.
template <int P>
NEXTN_INLINE __m256i two_bits(const uint8_t* qs, int g, int h) {
  return _mm256_and_si256(shift<-2 * P>(load(qs + g * kWord + h * 32)), _mm256_set1_epi8(3));
}

struct Q2_K : Super<Q2_K> {
  static constexpr int kBytes = 84 * kTileRows, kParts = 4;
  static constexpr bool kMins = true;

  template <int P>
  struct Sub {
    NEXTN_INLINE_MEMBER Sub(const uint8_t* super, const Scales&, int b)
        : qs(super + 20 * kTileRows + b / 4 * kGroups * kWord), scales(super + (4 + 2 * b) * kTileRows) {}
    NEXTN_INLINE_MEMBER __m256i size(int g, int h) const { return two_bits<P>(qs, g, h); }
    NEXTN_INLINE_MEMBER __m256i by(int i, int h) const {
      return _mm256_and_si256(twice_at(scales + i * kTileRows + h * 8), _mm256_set1_epi16(15));
    }
    const uint8_t *qs, *scales;
  };

  NEXTN_INLINE __m256i min_pairs(const uint8_t* super, int b, int h) {
    const __m128i* s = reinterpret_cast<const __m128i*>(super + (4 + 2 * b) * kTileRows + h * 8);
    const __m256i both = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(_mm_loadl_epi64(s), _mm_loadl_epi64(s + 1)));
    return _mm256_srli_epi16(both, 4);
  }
  NEXTN_INLINE __m256 dmin(const uint8_t* super, int h) { return halves_at(super + 32 + h * 16); }
};

struct Q3_K : Super<Q3_K> {
  static constexpr int kBytes = 110 * kTileRows, kOffset = 4, kParts = 8;

  // The scales of each 16 inputs, still with the offset of 32.
  struct Scales {
    NEXTN_INLINE_MEMBER explicit Scales(const uint8_t* super) {
      const uint8_t* s = super + 2 * kTileRows;
      NEXTN_UNROLL
      for (int i = 0; i < 2; i++) {  // bytes 2i and 2i + 1 of the 16 rows, those 4 after them, and 8
        const __m256i b0 = load(s + i * 32), b4 = load(s + 64 + i * 32), b8 = load(s + 128 + i * 32);
        const auto put = [&](int g, __m256i x) { _mm256_store_si256(reinterpret_cast<__m256i*>(scale[g + 2 * i]), x); };
        put(0, join(b0, shift<4>(b8), 0x30));
        put(4, join(b4, shift<2>(b8), 0x30));
        put(8, join(shift<-4>(b0), b8, 0x30));
        put(12, join(shift<-4>(b4), shift<-2>(b8), 0x30));
      }
    }
    alignas(32) uint8_t scale[16][kTileRows];
  };

  template <int P>
  struct Sub {
    NEXTN_INLINE_MEMBER Sub(const uint8_t* super, const Scales& s, int b)
        : hmask(super + 14 * kTileRows), qs(super + 46 * kTileRows + P / 4 * kGroups * kWord), scale(s.scale[2 * b]) {}
    NEXTN_INLINE_MEMBER __m256i size(int g, int h) const {
      const __m256i high = shift<2 - P>(load(hmask + g * kWord + h * 32));
      return _mm256_or_si256(two_bits<P % 4>(qs, g, h), _mm256_and_si256(high, _mm256_set1_epi8(4)));
    }
    NEXTN_INLINE_MEMBER __m256i by(int i, int h) const {
      return _mm256_sub_epi16(twice_at(scale + i * kTileRows + h * 8), _mm256_set1_epi16(32));
    }
    const uint8_t *hmask, *qs, *scale;
  };
};

// Without scales inside of a superblock.
struct One {
  NEXTN_INLINE_MEMBER __m256i by(int, int) const { return _mm256_set1_epi16(1); }
};

struct TQ2_0 : Super<TQ2_0> {
  static constexpr int kBytes = 66 * kTileRows, kOffset = 1, kRun = 8, kParts = 4;

  template <int P>
  struct Sub : One {
    NEXTN_INLINE_MEMBER Sub(const uint8_t* super, const Scales&, int b)
        : qs(super + 2 * kTileRows + b / 4 * kGroups * kWord) {}
    NEXTN_INLINE_MEMBER __m256i size(int g, int h) const { return two_bits<P>(qs, g, h); }
    const uint8_t* qs;
  };
};

struct TQ1_0 : Super<TQ1_0> {
  static constexpr int kBytes = 54 * kTileRows, kOffset = 1, kRun = 8, kParts = 8;

  // Digit n of every byte: (byte * power mod 256) * 3 / 256, power = 3^n. Odd bytes stand in the upper half of their 16
  // bits, where the product is taken modulo 256 by itself; even ones get there by the factor.
  NEXTN_INLINE __m256i digits(__m256i bytes, int power) {
    const __m256i three = _mm256_set1_epi16(3);
    const __m256i even = _mm256_mullo_epi16(bytes, _mm256_set1_epi16(static_cast<int16_t>(power * 256)));
    const __m256i odd = _mm256_mullo_epi16(_mm256_andnot_si256(_mm256_set1_epi16(255), bytes),
                                           _mm256_set1_epi16(static_cast<int16_t>(power)));
    return _mm256_or_si256(_mm256_mulhi_epu16(even, three), _mm256_slli_epi16(_mm256_mulhi_epu16(odd, three), 8));
  }

  template <int P>
  struct Sub : One {
    NEXTN_INLINE_MEMBER Sub(const uint8_t* super, const Scales&, int) : qs(super + 2 * kTileRows) {}
    // Inputs 32n + l, then 160 + 16n + l, then 240 + 4n + l are digit n.
    NEXTN_INLINE_MEMBER __m256i size(int g, int h) const {
      const int group = 8 * P + g;
      const int n = group < 40 ? P : group < 60 ? (group - 40) / 4 : group - 60;
      const int word = group < 40 ? g : group < 60 ? 8 + group % 4 : 12;
      const int power = n == 0 ? 1 : n == 1 ? 3 : n == 2 ? 9 : n == 3 ? 27 : 81;
      return digits(load(qs + word * kWord + h * 32), power);
    }
    const uint8_t* qs;
  };
};

}  // namespace

void matmul_q2_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  RowGroups<Q2_K>::run(args, tile_first, tile_last);
}
void matmul_q3_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  RowGroups<Q3_K>::run(args, tile_first, tile_last);
}
void matmul_tq1_0(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  RowGroups<TQ1_0>::run(args, tile_first, tile_last);
}
void matmul_tq2_0(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  RowGroups<TQ2_0>::run(args, tile_first, tile_last);
}

}  // namespace nextn::avx2
