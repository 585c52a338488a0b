// The block formats of GGUF tensors, byte for byte: what a block holds and which weight it says. decode.h turns blocks
// into floats; this header is plain structs and static functions, so that translation units built for different
// instruction sets may share it. Halves (d, m, dmin) are IEEE half bit patterns; all fields are little-endian.
//
// The products are evaluated in float and from left to right: (d * sc) * q, and (d * sc) * q - (dmin * mn).
// F16 and BF16 have no blocks: a half or the upper 16 bits of a float for each weight.
#pragma once

#include <cstdint>

namespace nextn {

constexpr int kSmallBlock = 32;   // weights in a block of the Qn_0, Qn_1 and IQ4_NL formats
constexpr int kSuperBlock = 256;  // weights in a block of the K formats and of IQ4_XS

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

static constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

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

// sc[g] of IQ4_XS, g = 0..7, still with the offset of 32: nibble g of scales_l and bits 2g, 2g + 1 of scales_h.
static inline int iq4_xs_scale(const BlockIQ4_XS& block, int g) {
  return (block.scales_l[g / 2] >> 4 * (g % 2) & 15) | (block.scales_h >> 2 * g & 3) << 4;
}

}  // namespace nextn
