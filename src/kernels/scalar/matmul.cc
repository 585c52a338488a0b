// The matmul of every weight format, and the definition of its numbers: the other instruction sets give the same bits
// (only the payload of a NaN may differ). One output of one row depends on that weight row, that activation row and K,
// on nothing else. Below, q, a and s are an activation row's quants, scales (one for 32 inputs) and sums of quants;
// integer dots are exact, everything else is float32, rounded once an operation, fma once in all.
//
//   Q8_0, Q4_0   for each block b of 32, ascending:
//                  acc = fma(float(sum_i w_i q_i) * a_b, d_b, acc)                  w_i: -128..127, nibble - 8
//   Q4_K, Q5_K   for each superblock of 256, ascending, with its sub-blocks b = 0..7 of 32:
//                  block = fma(float(sum_i w_i q_i) * float(sc_b), a_b, block)      from 0; the product is exact
//                  mins  = fma(float(m_b), a_b * float(s_b), mins)                  from 0; s_b = sum of the block's q
//                  acc = fma(d, block, acc), then acc = fma(-dmin, mins, acc)
//   Q6_K         for each superblock, with i_b = sc_2b sum_first_16 w q + sc_2b+1 sum_last_16 w q as an exact integer:
//                  block = fma(float(i_b), a_b, block);  acc = fma(d, block, acc)
//   IQ4_XS       for each superblock, w_i the table's values and the scale sc_b - 32:
//                  block = fma(float(sum_i w_i q_i) * float(sc_b - 32), a_b, block);  acc = fma(d, block, acc)
//   F32 F16 BF16 p_j = fma(w_k, x_k, p_j) for j = k mod 4, k ascending; (p_0 + p_1) + (p_2 + p_3)
#include "kernels/scalar/functions.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/fp16.h"
#include "quant/blocks.h"

namespace nextn::scalar {

namespace {

constexpr int kWord = 4 * kTileRows;  // bytes of a word of 4-byte groups

float half_at(const uint8_t* word, int r) {
  uint16_t h;
  std::memcpy(&h, word + 2 * r, sizeof h);
  return f16_to_f32(h);
}

// Byte i of row r in a run of words of 4-byte groups.
int byte_at(const uint8_t* words, int r, int i) {
  return words[i / 4 * kWord + 4 * r + i % 4];
}

// Calls dot(tile, r, m) for every valid output of the tiles and every activation row.
template <class Dot>
void for_each_output(const MatmulArgs& args, int64_t tile_first, int64_t tile_last, int64_t tile_bytes,
                     const Dot& dot) {
  for (int64_t t = tile_first; t < tile_last; t++) {
    for (int r = 0; r < kTileRows && t * kTileRows + r < args.n_out; r++) {
      for (int m = 0; m < args.n_rows; m++) {
        args.y[m * args.y_stride + t * kTileRows + r] = dot(args.w + t * tile_bytes, r, m);
      }
    }
  }
}

// weight(tile, r, k) is the weight of row r and input k.
template <class Weight>
void matmul_float(const MatmulArgs& args, int64_t tile_first, int64_t tile_last, int64_t bytes, const Weight& weight) {
  for_each_output(args, tile_first, tile_last, args.k * kTileRows * bytes, [&](const uint8_t* tile, int r, int m) {
    const float* x = args.act.x + m * args.k;
    float p[4] = {};
    for (int64_t k = 0; k < args.k; k++) p[k % 4] = __builtin_fmaf(weight(tile, r, k), x[k], p[k % 4]);
    return (p[0] + p[1]) + (p[2] + p[3]);
  });
}

// Blocks of 32 with one scale. weight(block, r, i) is the integer weight of row r and input i of a block.
template <class Weight>
void matmul_blocks(const MatmulArgs& args, int64_t tile_first, int64_t tile_last, int64_t block_bytes,
                   const Weight& weight) {
  const int64_t n_blocks = args.k / 32;
  for_each_output(args, tile_first, tile_last, n_blocks * block_bytes, [&](const uint8_t* tile, int r, int m) {
    float acc = 0;
    for (int64_t b = 0; b < n_blocks; b++) {
      const uint8_t* block = tile + b * block_bytes;
      const int8_t* q = args.act.q + m * args.k + b * 32;
      int dot = 0;
      for (int i = 0; i < 32; i++) dot += weight(block, r, i) * q[i];
      acc = __builtin_fmaf(static_cast<float>(dot) * args.act.scale[m * n_blocks + b], half_at(block, r), acc);
    }
    return acc;
  });
}

// The 6-bit scale and minimum of sub-block b; s: 12 scale bytes of 16 rows.
void scale_and_min(const uint8_t* s, int r, int b, int* scale, int* min) {
  auto at = [=](int j) { return s[j * kTileRows + r]; };
  if (b < 4) {
    *scale = at(b) & 63;
    *min = at(b + 4) & 63;
  } else {
    *scale = (at(b + 4) & 15) | at(b - 4) >> 6 << 4;
    *min = at(b + 4) >> 4 | at(b) >> 6 << 4;
  }
}

// Superblocks of 8 x 32 with scales and minima. weight(block, r, b, i) is the weight of input i of sub-block b.
template <class Weight>
void matmul_scale_min(const MatmulArgs& args, int64_t tile_first, int64_t tile_last, int64_t block_bytes,
                      const Weight& weight) {
  const int64_t n_blocks = args.k / 256;
  for_each_output(args, tile_first, tile_last, n_blocks * block_bytes, [&](const uint8_t* tile, int r, int m) {
    float acc = 0;
    for (int64_t s = 0; s < n_blocks; s++) {
      const uint8_t* super = tile + s * block_bytes;
      const int64_t at = m * args.k + s * 256;
      float block = 0, mins = 0;
      for (int b = 0; b < 8; b++) {
        const int8_t* q = args.act.q + at + b * 32;
        const float a = args.act.scale[at / 32 + b];
        const int sum = args.act.sum[at / 16 + 2 * b] + args.act.sum[at / 16 + 2 * b + 1];
        int scale, min, dot = 0;
        scale_and_min(super + 4 * kTileRows, r, b, &scale, &min);
        for (int i = 0; i < 32; i++) dot += weight(super, r, b, i) * q[i];
        block = __builtin_fmaf(static_cast<float>(dot) * static_cast<float>(scale), a, block);
        mins = __builtin_fmaf(static_cast<float>(min), a * static_cast<float>(sum), mins);
      }
      acc = __builtin_fmaf(half_at(super, r), block, acc);
      acc = __builtin_fmaf(-half_at(super + 2 * kTileRows, r), mins, acc);
    }
    return acc;
  });
}

}  // namespace

void matmul_f32(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_float(args, tile_first, tile_last, 4, [](const uint8_t* tile, int r, int64_t k) {
    float w;
    std::memcpy(&w, tile + k * kTileRows * 4 + r * 4, sizeof w);
    return w;
  });
}

void matmul_f16(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_float(args, tile_first, tile_last, 2,
               [](const uint8_t* tile, int r, int64_t k) { return half_at(tile + k * kTileRows * 2, r); });
}

void matmul_bf16(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_float(args, tile_first, tile_last, 2, [](const uint8_t* tile, int r, int64_t k) {
    uint16_t h;
    std::memcpy(&h, tile + k * kTileRows * 2 + r * 2, sizeof h);
    return bf16_to_f32(h);
  });
}

void matmul_q8_0(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_blocks(args, tile_first, tile_last, 34 * kTileRows,
                [](const uint8_t* block, int r, int i) { return byte_at(block + 2 * kTileRows, r, i) - 128; });
}

void matmul_q4_0(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_blocks(args, tile_first, tile_last, 18 * kTileRows, [](const uint8_t* block, int r, int i) {
    return (byte_at(block + 2 * kTileRows, r, i % 16) >> i / 16 * 4 & 15) - 8;
  });
}

void matmul_q4_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_scale_min(args, tile_first, tile_last, 144 * kTileRows, [](const uint8_t* super, int r, int b, int i) {
    return byte_at(super + 16 * kTileRows, r, b / 2 * 32 + i) >> b % 2 * 4 & 15;
  });
}

void matmul_q5_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_scale_min(args, tile_first, tile_last, 176 * kTileRows, [](const uint8_t* super, int r, int b, int i) {
    const int low = byte_at(super + 48 * kTileRows, r, b / 2 * 32 + i) >> b % 2 * 4 & 15;
    return low | (byte_at(super + 16 * kTileRows, r, i) >> b & 1) << 4;
  });
}

void matmul_q6_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  const int64_t n_blocks = args.k / 256, block_bytes = 210 * kTileRows;
  for_each_output(args, tile_first, tile_last, n_blocks * block_bytes, [&](const uint8_t* tile, int r, int m) {
    float acc = 0;
    for (int64_t s = 0; s < n_blocks; s++) {
      const uint8_t* super = tile + s * block_bytes;
      const uint8_t* scales = super + 2 * kTileRows;
      const uint8_t* high = super + 18 * kTileRows;
      const uint8_t* low = super + 82 * kTileRows;
      const int64_t at = m * args.k + s * 256;
      float block = 0;
      for (int b = 0; b < 8; b++) {
        const int8_t* q = args.act.q + at + b * 32;
        const int half = b / 4, part = b % 4;  // a half is 128 inputs: 4 parts of 32 share the bytes of its high bits
        int dot[2] = {};
        for (int i = 0; i < 32; i++) {
          const int w = (byte_at(low, r, half * 64 + part % 2 * 32 + i) >> part / 2 * 4 & 15) |
                        (byte_at(high, r, half * 32 + i) >> part * 2 & 3) << 4;
          dot[i / 16] += (w - 32) * q[i];
        }
        auto scale = [=](int j) { return static_cast<int8_t>(scales[j * kTileRows + r]); };
        const int scaled = scale(2 * b) * dot[0] + scale(2 * b + 1) * dot[1];
        block = __builtin_fmaf(static_cast<float>(scaled), args.act.scale[at / 32 + b], block);
      }
      acc = __builtin_fmaf(half_at(super, r), block, acc);
    }
    return acc;
  });
}

void matmul_iq4_xs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  const int64_t n_blocks = args.k / 256, block_bytes = 136 * kTileRows;
  for_each_output(args, tile_first, tile_last, n_blocks * block_bytes, [&](const uint8_t* tile, int r, int m) {
    float acc = 0;
    for (int64_t s = 0; s < n_blocks; s++) {
      const uint8_t* super = tile + s * block_bytes;
      const uint8_t* scales_l = super + 4 * kTileRows;
      uint16_t scales_h;
      std::memcpy(&scales_h, super + 2 * kTileRows + 2 * r, sizeof scales_h);
      const int64_t at = m * args.k + s * 256;
      float block = 0;
      for (int b = 0; b < 8; b++) {
        const int8_t* q = args.act.q + at + b * 32;
        int dot = 0;
        for (int i = 0; i < 32; i++) {
          dot += kIq4Values[byte_at(super + 8 * kTileRows, r, b * 16 + i % 16) >> i / 16 * 4 & 15] * q[i];
        }
        const int scale = (scales_l[b / 2 * kTileRows + r] >> b % 2 * 4 & 15) | (scales_h >> 2 * b & 3) << 4;
        block = __builtin_fmaf(static_cast<float>(dot) * static_cast<float>(scale - 32), args.act.scale[at / 32 + b],
                               block);
      }
      acc = __builtin_fmaf(half_at(super, r), block, acc);
    }
    return acc;
  });
}

}  // namespace nextn::scalar
