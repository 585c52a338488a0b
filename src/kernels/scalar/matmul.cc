// The matmul of every weight format, and the definition of its numbers: the other instruction sets give the same bits
// (only the payload of a NaN may differ). One output of one row depends on that weight row, that activation row and K,
// on nothing else. Below, q, a and s are an activation row's quants, scales (one for 32 inputs) and sums of quants;
// integer dots are exact, everything else is float32, rounded once an operation, fma once in all.
//
// clang-format off
//   Q8_0, Q4_0, Q5_0, IQ4_NL, MXFP4: for each block b of 32, ascending, w_i as in blocks.h, e.g. nibble - 8,
//     acc = fma(float(sum_i w_i q_i) * a_b, d_b, acc)
//   Q4_1, Q5_1: the same, with w_i not negative, then, s_b being the sum of the block's q,
//     acc = fma(m_b, a_b * float(s_b), acc)
//   NVFP4: for each 32 inputs b, with a scale d_2b for the first 16 and d_2b+1 for the last,
//     acc = fma(fma(float(sum_last_16 w q), d_2b+1, float(sum_first_16 w q) * d_2b), a_b, acc)
//   Superblocks (quant/superblock.h): for each, with its one scale a, over its groups g of 16,
//     acc = fma(float(i) * a, d, acc)          i = sum_g sc_g sum_16 w q, an exact integer
//     and for Q2_K, Q4_K and Q5_K
//     acc = fma(float(j) * a, -dmin, acc)      j = sum_g min_g s_g, another
//   F32, F16, BF16: p_j = fma(w_k, x_k, p_j) for j = k mod 4, k ascending; (p_0 + p_1) + (p_2 + p_3)
// clang-format on
#include "kernels/scalar/functions.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "base/fp16.h"
#include "quant/blocks.h"
#include "quant/superblock.h"

namespace nextn::scalar {

namespace {

constexpr int kWord = 4 * kTileRows;  // bytes of a word of 4-byte groups

float half_at(const uint8_t* word, int r) {
  uint16_t h;
  std::memcpy(&h, word + 2 * r, sizeof h);
  return f16_to_f32(h);
}

float second_half_at(const uint8_t* word, int r) {
  return half_at(word + 2 * kTileRows, r);
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

// Blocks of 32. d and m of row r in a block; weight(block, r, i) is the integer weight of input i.
template <class Scale, class Min, class Weight>
void matmul_blocks(const MatmulArgs& args, int64_t tile_first, int64_t tile_last, int64_t block_bytes, const Scale& d,
                   const Min& m_of, const Weight& weight) {
  const int64_t n_blocks = args.k / 32;
  for_each_output(args, tile_first, tile_last, n_blocks * block_bytes, [&](const uint8_t* tile, int r, int m) {
    float acc = 0;
    for (int64_t b = 0; b < n_blocks; b++) {
      const uint8_t* block = tile + b * block_bytes;
      const int64_t at = m * args.k + b * 32;
      const int8_t* q = args.act.q + at;
      int dot = 0;
      for (int i = 0; i < 32; i++) dot += weight(block, r, i) * q[i];
      const float a = args.act.scale[at / 32];
      acc = __builtin_fmaf(static_cast<float>(dot) * a, d(block, r), acc);
      if constexpr (!std::is_same_v<Min, std::nullptr_t>) {
        const int sum = args.act.sum[at / 16] + args.act.sum[at / 16 + 1];
        acc = __builtin_fmaf(m_of(block, r), a * static_cast<float>(sum), acc);
      }
    }
    return acc;
  });
}

// Nibble i of the qs of Q4_0 and its like.
int nibble_at(const uint8_t* qs, int r, int i) {
  return byte_at(qs, r, i % 16) >> i / 16 * 4 & 15;
}
// Bit i of a turned word (pack.h), as a fifth bit.
int fifth_bit_at(const uint8_t* word, int r, int i) {
  return (word[4 * r + i % 4] >> i / 4 & 1) << 4;
}

// Superblocks, by way of the row's bytes in the file.
void matmul_superblocks(const MatmulArgs& args, int64_t tile_first, int64_t tile_last, PackFormat format) {
  const int64_t n_blocks = args.k / kSuperBlock;
  const size_t block_bytes = tile_bytes(format, kSuperBlock);
  for (int64_t t = tile_first; t < tile_last; t++) {
    for (int r = 0; r < kTileRows && t * kTileRows + r < args.n_out; r++) {
      float acc[kMaxMatmulRows] = {};
      for (int64_t s = 0; s < n_blocks; s++) {
        uint8_t bytes[kSuperBlock];
        Superblock w;
        unpack_row(format, args.w + static_cast<size_t>(t * n_blocks + s) * block_bytes, r, kSuperBlock, bytes);
        read_superblock(dtype_of(format), bytes, w);
        for (int m = 0; m < args.n_rows; m++) {
          const int64_t at = m * args.k + s * kSuperBlock;
          int scaled = 0, min = 0;
          for (int g = 0; g < kSuperBlock / 16; g++) {
            int dot = 0;
            for (int i = 16 * g; i < 16 * g + 16; i++) dot += w.q[i] * args.act.q[at + i];
            scaled += w.scale[g] * dot;
            min += w.min[g] * args.act.sum[at / 16 + g];
          }
          const float a = args.act.scale[at / kActBlock];
          acc[m] = __builtin_fmaf(static_cast<float>(scaled) * a, w.d, acc[m]);
          if (has_minima(dtype_of(format))) acc[m] = __builtin_fmaf(static_cast<float>(min) * a, -w.dmin, acc[m]);
        }
      }
      for (int m = 0; m < args.n_rows; m++) args.y[m * args.y_stride + t * kTileRows + r] = acc[m];
    }
  }
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
  matmul_blocks(args, tile_first, tile_last, 34 * kTileRows, half_at, nullptr,
                [](const uint8_t* block, int r, int i) { return byte_at(block + 2 * kTileRows, r, i) - 128; });
}

void matmul_q4_0(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_blocks(args, tile_first, tile_last, 18 * kTileRows, half_at, nullptr,
                [](const uint8_t* block, int r, int i) { return nibble_at(block + 2 * kTileRows, r, i) - 8; });
}

void matmul_q4_1(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_blocks(args, tile_first, tile_last, 20 * kTileRows, half_at, second_half_at,
                [](const uint8_t* block, int r, int i) { return nibble_at(block + 4 * kTileRows, r, i); });
}

void matmul_q5_0(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_blocks(args, tile_first, tile_last, 22 * kTileRows, half_at, nullptr, [](const uint8_t* block, int r, int i) {
    return (nibble_at(block + 6 * kTileRows, r, i) | fifth_bit_at(block + 2 * kTileRows, r, i)) - 16;
  });
}

void matmul_q5_1(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_blocks(args, tile_first, tile_last, 24 * kTileRows, half_at, second_half_at,
                [](const uint8_t* block, int r, int i) {
                  return nibble_at(block + 8 * kTileRows, r, i) | fifth_bit_at(block + 4 * kTileRows, r, i);
                });
}

void matmul_iq4_nl(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_blocks(args, tile_first, tile_last, 18 * kTileRows, half_at, nullptr, [](const uint8_t* block, int r, int i) {
    return int{kIq4Values[nibble_at(block + 2 * kTileRows, r, i)]};
  });
}

void matmul_mxfp4(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_blocks(
      args, tile_first, tile_last, 17 * kTileRows, [](const uint8_t* block, int r) { return power_of_two(block[r]); },
      nullptr, [](const uint8_t* block, int r, int i) { return int{kFp4Values[nibble_at(block + kTileRows, r, i)]}; });
}

void matmul_nvfp4(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  const int64_t n_blocks = args.k / 64, block_bytes = 36 * kTileRows;
  for_each_output(args, tile_first, tile_last, n_blocks * block_bytes, [&](const uint8_t* tile, int r, int m) {
    float acc = 0;
    for (int64_t b = 0; b < 2 * n_blocks; b++) {
      const uint8_t* block = tile + b / 2 * block_bytes;
      const int64_t at = m * args.k + b * 32;
      float dot[2], d[2];
      for (int j = 0; j < 2; j++) {
        const int64_t g = b % 2 * 2 + j;
        int sum = 0;
        for (int i = 0; i < 16; i++) {
          const int byte = byte_at(block + 4 * kTileRows + 2 * g * kWord, r, i % 8);
          sum += kFp4Values[byte >> i / 8 * 4 & 15] * args.act.q[at + 16 * j + i];
        }
        dot[j] = static_cast<float>(sum);
        d[j] = ue4m3_half(block[g * kTileRows + r]);
      }
      acc = __builtin_fmaf(__builtin_fmaf(dot[1], d[1], dot[0] * d[0]), args.act.scale[at / 32], acc);
    }
    return acc;
  });
}

void matmul_q4_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_superblocks(args, tile_first, tile_last, PackFormat::kQ4_K);
}
void matmul_q5_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_superblocks(args, tile_first, tile_last, PackFormat::kQ5_K);
}
void matmul_q6_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_superblocks(args, tile_first, tile_last, PackFormat::kQ6_K);
}
void matmul_iq4_xs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_superblocks(args, tile_first, tile_last, PackFormat::kIQ4_XS);
}
void matmul_q2_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_superblocks(args, tile_first, tile_last, PackFormat::kQ2_K);
}
void matmul_q3_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_superblocks(args, tile_first, tile_last, PackFormat::kQ3_K);
}
void matmul_iq2_xxs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_superblocks(args, tile_first, tile_last, PackFormat::kIQ2_XXS);
}
void matmul_iq2_xs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_superblocks(args, tile_first, tile_last, PackFormat::kIQ2_XS);
}
void matmul_iq2_s(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_superblocks(args, tile_first, tile_last, PackFormat::kIQ2_S);
}
void matmul_iq3_xxs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_superblocks(args, tile_first, tile_last, PackFormat::kIQ3_XXS);
}
void matmul_iq3_s(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_superblocks(args, tile_first, tile_last, PackFormat::kIQ3_S);
}
void matmul_iq1_s(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_superblocks(args, tile_first, tile_last, PackFormat::kIQ1_S);
}
void matmul_iq1_m(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_superblocks(args, tile_first, tile_last, PackFormat::kIQ1_M);
}
void matmul_tq1_0(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_superblocks(args, tile_first, tile_last, PackFormat::kTQ1_0);
}
void matmul_tq2_0(const MatmulArgs& args, int64_t tile_first, int64_t tile_last) {
  matmul_superblocks(args, tile_first, tile_last, PackFormat::kTQ2_0);
}

}  // namespace nextn::scalar
