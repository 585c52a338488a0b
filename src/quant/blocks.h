// The block formats of GGUF tensors, byte for byte: what a block holds and which weight it says. decode.h turns blocks
// into floats; this header is plain structs and static functions, so that translation units built for different
// instruction sets may share it. Halves (d, m, dmin) are IEEE half bit patterns; all fields are little-endian.
//
// The products are evaluated in float and from left to right: (d * sc) * q, and (d * sc) * q - (dmin * mn).
// F16 and BF16 have no blocks: a half or the upper 16 bits of a float for each weight.
#pragma once

#include <cstdint>

#include "base/fp16.h"

namespace nextn {

constexpr int kSmallBlock = 32;   // weights in a block of the Qn_0, Qn_1, IQ4_NL and MXFP4 formats
constexpr int kSuperBlock = 256;  // weights in a block of the K, the other IQ and the TQ formats

// Q4_0: 32 weights in 18 bytes, 4.5 bits each.
//   w[i] = d * (q[i] - 8)      q in 0..15
//   qs: byte j (0..15) holds weight j in its low nibble and 16 + j in its high one
struct BlockQ4_0 {
  uint16_t d;
  uint8_t qs[16];
};
static_assert(sizeof(BlockQ4_0) == 18);

// Q4_1: 32 weights in 20 bytes, 5 bits each.
//   w[i] = d * q[i] + m      q in 0..15
//   qs: as in Q4_0
struct BlockQ4_1 {
  uint16_t d, m;
  uint8_t qs[16];
};
static_assert(sizeof(BlockQ4_1) == 20);

// Q5_0: 32 weights in 22 bytes, 5.5 bits each.
//   w[i] = d * (q[i] - 16)      q in 0..31
//   qs: the low four bits, as in Q4_0
//   qh: bit i of the 32-bit word is the fifth bit of weight i
struct BlockQ5_0 {
  uint16_t d;
  uint8_t qh[4], qs[16];
};
static_assert(sizeof(BlockQ5_0) == 22);

// Q5_1: 32 weights in 24 bytes, 6 bits each.
//   w[i] = d * q[i] + m      q in 0..31
//   qs, qh: as in Q5_0
struct BlockQ5_1 {
  uint16_t d, m;
  uint8_t qh[4], qs[16];
};
static_assert(sizeof(BlockQ5_1) == 24);

// Q8_0: 32 weights in 34 bytes, 8.5 bits each.
//   w[i] = d * q[i]      q in -128..127, in order
struct BlockQ8_0 {
  uint16_t d;
  int8_t q[32];
};
static_assert(sizeof(BlockQ8_0) == 34);

// Q2_K: 256 weights in 84 bytes, 2.625 bits each; a 4-bit scale and a 4-bit minimum for every 16.
//   w[i] = d * sc[i/16] * q[i] - dmin * mn[i/16]      q in 0..3; sc, mn in 0..15
//   qs: byte 32h + l (h = 0..1, l = 0..31) holds weight 128h + 32s + l in its bits 2s and 2s + 1 (s = 0..3)
//   scales: byte g has sc[g] in its low nibble and mn[g] in its high one
struct BlockQ2_K {
  uint8_t scales[16], qs[64];
  uint16_t d, dmin;
};
static_assert(sizeof(BlockQ2_K) == 84);

// Q3_K: 256 weights in 110 bytes, 3.4375 bits each; a 6-bit scale for every 16.
//   w[i] = d * (sc[i/16] - 32) * (q[i] - 4)      q in 0..7; sc in 0..63
//   qs: the low two bits, as in Q2_K
//   hmask: bit 4h + s of byte l is the third bit of weight 128h + 32s + l
//   scales: q3_k_scale
struct BlockQ3_K {
  uint8_t hmask[32], qs[64], scales[12];
  uint16_t d;
};
static_assert(sizeof(BlockQ3_K) == 110);

// Q4_K: 256 weights in 144 bytes, 4.5 bits each; a 6-bit scale and a 6-bit minimum for every 32.
//   w[i] = d * sc[i/32] * q[i] - dmin * mn[i/32]      q in 0..15; sc, mn in 0..63
//   qs: byte 32c + l (c = 0..3, l = 0..31) holds weight 64c + l in its low nibble and 64c + 32 + l in its high one
//   scales: q4_k_scale, q4_k_min
struct BlockQ4_K {
  uint16_t d, dmin;
  uint8_t scales[12], qs[128];
};
static_assert(sizeof(BlockQ4_K) == 144);

// Q5_K: 256 weights in 176 bytes, 5.5 bits each; a 6-bit scale and a 6-bit minimum for every 32.
//   w[i] = d * sc[i/32] * q[i] - dmin * mn[i/32]      q in 0..31; sc, mn in 0..63
//   qs, scales: the low four bits, as in Q4_K
//   qh: bit 2c of byte l is the fifth bit of weight 64c + l, bit 2c + 1 that of 64c + 32 + l
struct BlockQ5_K {
  uint16_t d, dmin;
  uint8_t scales[12], qh[32], qs[128];
};
static_assert(sizeof(BlockQ5_K) == 176);

// Q6_K: 256 weights in 210 bytes, 6.5625 bits each; an 8-bit scale for every 16.
//   w[i] = d * sc[i/16] * (q[i] - 32)      q in 0..63; sc in -128..127
//   ql: byte 64h + 32p + l (h, p = 0..1, l = 0..31) holds the low four bits of weight 128h + 32p + l in its low nibble
//       and those of weight 128h + 64 + 32p + l in its high one
//   qh: byte 32h + l holds the top two bits of weight 128h + 32s + l in its bits 2s and 2s + 1 (s = 0..3)
struct BlockQ6_K {
  uint8_t ql[128], qh[64];
  int8_t scales[16];
  uint16_t d;
};
static_assert(sizeof(BlockQ6_K) == 210);

// IQ4_NL: 32 weights in 18 bytes, 4.5 bits each, from a table of 16 values that are denser near zero.
//   w[i] = d * kIq4Values[q[i]]      q in 0..15
//   qs: as in Q4_0
struct BlockIQ4_NL {
  uint16_t d;
  uint8_t qs[16];
};
static_assert(sizeof(BlockIQ4_NL) == 18);

// IQ4_XS: 256 weights in 136 bytes, 4.25 bits each, the same table; a 6-bit scale for every 32.
//   w[i] = d * (sc[i/32] - 32) * kIq4Values[q[i]]      q in 0..15; sc in 0..63
//   qs: byte 16g + j (g = 0..7, j = 0..15) holds weight 32g + j in its low nibble and 32g + 16 + j in its high one
//   scales: iq4_xs_scale
struct BlockIQ4_XS {
  uint16_t d, scales_h;
  uint8_t scales_l[4], qs[128];
};
static_assert(sizeof(BlockIQ4_XS) == 136);

// MXFP4: 32 weights in 17 bytes, 4.25 bits each: floats of four bits under a power of two.
//   w[i] = 2^(e - 128) * kFp4Values[q[i]]      q, e: every value is a number
//   qs: as in Q4_0
struct BlockMXFP4 {
  uint8_t e, qs[16];
};
static_assert(sizeof(BlockMXFP4) == 17);

// NVFP4: 64 weights in 36 bytes, 4.5 bits each: the same floats under a small float for every 16.
//   w[i] = ue4m3_half(s[i/16]) * kFp4Values[q[i]]
//   qs: byte 8g + j (g = 0..3, j = 0..7) holds weight 16g + j in its low nibble and 16g + 8 + j in its high one
struct BlockNVFP4 {
  uint8_t s[4], qs[32];
};
static_assert(sizeof(BlockNVFP4) == 36);

// The IQ formats below 4 bits name groups of four or eight weights by their place in a grid (iq_grids.h). What the
// names say are sizes where a format has signs; a sign bit that is set makes its weight negative.

// IQ2_XXS: 256 weights in 66 bytes, 2.0625 bits each; a 4-bit scale for every 32.
//   w[i] = d * (2 sc[i/32] + 1) / 8 * +-grid[index[i/8]][i%8]
//   qs: for each 32 weights 4 bytes, the indices, and a word: 7 sign bits for each 8 weights (with_parity gives all
//       8), and above them the scale
struct BlockIQ2_XXS {
  uint16_t d;
  uint8_t qs[64];
};
static_assert(sizeof(BlockIQ2_XXS) == 66);

// IQ2_XS: 256 weights in 74 bytes, 2.3125 bits each; a 4-bit scale for every 16.
//   w[i] = d * (2 sc[i/16] + 1) / 8 * +-grid[index[i/8]][i%8]
//   qs: for each 8 weights a 9-bit index and above it 7 sign bits (with_parity)
//   scales: nibble i/16, low ones first
struct BlockIQ2_XS {
  uint16_t d, qs[32];
  uint8_t scales[8];
};
static_assert(sizeof(BlockIQ2_XS) == 74);

// IQ2_S: 256 weights in 82 bytes, 2.5625 bits each; a 4-bit scale for every 16.
//   w[i] = d * (2 sc[i/16] + 1) / 8 * +-grid[index[i/8]][i%8]
//   qs: the low eight bits of an index; qh: bits 2l and 2l + 1 of byte g are the top ones of index 4g + l
//   signs: bit i%8 of byte i/8
//   scales: as in IQ2_XS
struct BlockIQ2_S {
  uint16_t d;
  uint8_t qs[32], signs[32], qh[8], scales[8];
};
static_assert(sizeof(BlockIQ2_S) == 82);

// IQ3_XXS: 256 weights in 98 bytes, 3.0625 bits each; a 4-bit scale for every 32.
//   w[i] = d * (2 sc[i/32] + 1) / 4 * +-grid[qs[i/4]][i%4]
//   words: for each 32 weights the signs and the scale, as in IQ2_XXS
struct BlockIQ3_XXS {
  uint16_t d;
  uint8_t qs[64], words[32];
};
static_assert(sizeof(BlockIQ3_XXS) == 98);

// IQ3_S: 256 weights in 110 bytes, 3.4375 bits each; a 4-bit scale for every 32.
//   w[i] = d * (2 sc[i/32] + 1) * +-grid[index[i/4]][i%4]
//   qs: the low eight bits of an index; qh: bit i of byte g is the top one of index 8g + i
//   signs: bit i%8 of byte i/8
//   scales: nibble i/32, low ones first
struct BlockIQ3_S {
  uint16_t d;
  uint8_t qs[64], qh[8], signs[32], scales[4];
};
static_assert(sizeof(BlockIQ3_S) == 110);

// IQ1_S: 256 weights in 50 bytes, 1.5625 bits each; a 3-bit scale and a shift for every 32.
//   w[i] = d * (2 sc[i/32] + 1) / 8 * (8 grid[index[i/8]][i%8] +- 1)      grid: -1, 0, 1
//   qs: the low eight bits of an index
//   qh: for each 32 weights three top bits for each of its four indices, the scale, and bit 15: the shift is -1
struct BlockIQ1_S {
  uint16_t d;
  uint8_t qs[32];
  uint16_t qh[8];
};
static_assert(sizeof(BlockIQ1_S) == 50);

// IQ1_M: 256 weights in 56 bytes, 1.75 bits each; a 3-bit scale for every 16, a shift for every 8.
//   w[i] = d * (2 sc[i/16] + 1) / 8 * (8 grid[index[i/8]][i%8] +- 1)
//   qs: the low eight bits of an index
//   qh: nibble i/8: three top bits of the index, and bit 3: the shift is -1
//   scales: bits 3j .. 3j + 2 of word i hold sc[4i + j]; the top four bits of the words, one after another, are d
struct BlockIQ1_M {
  uint8_t qs[32], qh[16];
  uint16_t scales[4];
};
static_assert(sizeof(BlockIQ1_M) == 56);

// TQ1_0: 256 weights in 54 bytes, 1.6875 bits each: five of three values in a byte, as the leading digits of a
// fraction.
//   w[i] = d * (digit - 1)      digit n of byte b: 3 * (b * 3^n mod 256) / 256
//   qs: byte l (0..31) holds weights 32n + l (n = 0..4), byte 32 + l (l = 0..15) weights 160 + 16n + l
//   qh: byte l (0..3) holds weights 240 + 4n + l (n = 0..3)
struct BlockTQ1_0 {
  uint8_t qs[48], qh[4];
  uint16_t d;
};
static_assert(sizeof(BlockTQ1_0) == 54);

// TQ2_0: 256 weights in 66 bytes, 2.0625 bits each.
//   w[i] = d * (q[i] - 1)      q in 0..3
//   qs: as in Q2_K
struct BlockTQ2_0 {
  uint8_t qs[64];
  uint16_t d;
};
static_assert(sizeof(BlockTQ2_0) == 66);

static constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
// Floats of one sign, two exponent bits and one fraction bit, doubled.
static constexpr int8_t kFp4Values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// sc[g] of Q3_K, g = 0..15, still with the offset of 32. b: the 12 scale bytes; the low four bits are in the low (g <
// 8) or high (g >= 8) nibble of b[g % 8], the top two in bits 2(g/4) and 2(g/4) + 1 of b[8 + g % 4].
static inline int q3_k_scale(const uint8_t* b, int g) {
  const int low = g < 8 ? b[g] & 15 : b[g - 8] >> 4;
  return low | (b[8 + g % 4] >> 2 * (g / 4) & 3) << 4;
}

// sc[g] and mn[g] of Q4_K and Q5_K, g = 0..7. b: the 12 scale bytes. g < 4 has sc in the low six bits of b[g] and mn in
// those of b[g+4]; g >= 4 has its low four bits in b[g+4] (sc low nibble, mn high) and its top two in bits 6 and 7 of
// b[g-4] (sc) and of b[g] (mn).
static inline int q4_k_scale(const uint8_t* b, int g) {
  return g < 4 ? b[g] & 63 : (b[g + 4] & 15) | (b[g - 4] >> 6) << 4;
}
static inline int q4_k_min(const uint8_t* b, int g) {
  return g < 4 ? b[g + 4] & 63 : b[g + 4] >> 4 | (b[g] >> 6) << 4;
}

// 2^(e - 128), the scale of MXFP4; the two smallest are denormals.
static inline float power_of_two(uint8_t e) {
  return float_from_bits(e < 2 ? 0x00200000u << e : (e - 1u) << 23);
}

// Half of the number whose bits are 4 of exponent (bias 7) and 3 of fraction, as a scale of NVFP4: with 7 zeros below
// them they are a half, 2^8 times too small. The sign bit is ignored, and 0x7f is 0.
static inline float ue4m3_half(uint8_t s) {
  return s == 0x7f ? 0.0f : f16_to_f32(static_cast<uint16_t>((s & 0x7f) << 7)) * 128.0f;
}

// Eight sign bits, an even number of them set, from the lower seven.
static inline int with_parity(uint32_t seven) {
  return static_cast<int>(seven | (static_cast<uint32_t>(__builtin_popcount(seven)) & 1) << 7);
}

// sc[g] of IQ4_XS, g = 0..7, still with the offset of 32: nibble g of scales_l and bits 2g, 2g + 1 of scales_h.
static inline int iq4_xs_scale(const BlockIQ4_XS& block, int g) {
  return (block.scales_l[g / 2] >> 4 * (g % 2) & 15) | (block.scales_h >> 2 * g & 3) << 4;
}

}  // namespace nextn
