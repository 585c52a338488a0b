// The 16-row interleaved layout of a weight matrix (design decision D2): how many bytes a tile has, how rows get in,
// and how one row gets out again. Plain byte moves in baseline code, the same for every instruction set.
//
// A tile is 16 output rows by all K inputs. Along K it is cut into the file's blocks (1 input for the float types), and
// within a block whatever 16 rows have in common stands side by side, lane = row:
//
//   4-byte groups of quants   64-byte words, byte 4r + j = byte j of row r's group
//   single bytes (scales)     16-byte words, byte r = row r's byte
//   16-bit units (d, dmin)     32-byte words, unit r = row r's
//
// A tile has exactly the bytes of its 16 rows in the file; a last tile of fewer rows is filled up with zero bytes. Four
// kinds of groups are rewritten, without loss, to what kernels can use at once:
//
//   flipped   the quants of Q8_0 have their sign bit flipped (value + 128), for VPDPBUSD wants its first operand
//   unsigned turned    one bit for each of 32 inputs: bit g of byte j belongs to input 4g + j, not to 8j + g signs 28
//   sign bits, 7 for each 8 inputs, and above them 4 other bits: turned, with the other bits in the places
//             of the four signs that are not there (inputs 7, 15, 23, 31): bits 1, 3, 5, 7 of byte 3
//   split     IQ2_XS, four 16-bit units: a group of the low eight bits of each, and one of signs with the ninths above
//
// The fields of a block in the order they have in the tile, and how many words of which size:
//
//   F32, F16, BF16   one word of 16 elements for each input
//   Q8_0             d; 8 words of 4 flipped quants
//   Q4_0, IQ4_NL     d; 4 words of qs: inputs 4s .. 4s + 3 low nibbles, 16 + 4s .. low 16 + 4s + 3 high nibbles
//   Q4_1             d, m; 4 words of qs
//   Q5_0             d; 1 word of qh, turned; 4 words of qs
//   Q5_1             d, m; 1 word of qh, turned; 4 words of qs
//   MXFP4            e (1 byte); 4 words of qs
//   NVFP4            4 bytes of s; 8 words of qs
//   Q2_K             d, dmin; 16 bytes of scales; 16 words of qs
//   Q3_K             d; 12 bytes of scales; 8 words of hmask; 16 words of qs
//   Q4_K             d, dmin; 12 bytes of scales; 32 words of qs
//   Q5_K             d, dmin; 12 bytes of scales; 8 words of qh; 32 words of qs
//   Q6_K             d; 16 bytes of scales; for each half of 128 inputs 8 times three words: qh, and what its bits go
//                    with: ql of the first 32 bytes, ql of the other 32
//   IQ4_XS           d, scales_h; 4 bytes of scales_l; 32 words of qs
//   IQ2_XXS          d; 8 times two words: 4 indices, signs and scale
//   IQ2_XS           d; 8 bytes of scales; 8 times two words: 4 low parts of indices, signs and their ninth bits
//   IQ2_S            d; 8 bytes of qh, 8 of scales; 32 of qs; 8 words of signs, turned
//   IQ3_XXS          d; 64 bytes of qs; 8 words of signs and scale
//   IQ3_S            d; 8 bytes of qh; 4 of scales; 64 of qs; 8 words of signs, turned
//   IQ1_S            d; 8 16-bit units of qh; 32 bytes of qs
//   IQ1_M            4 16-bit units of scales; 32 bytes of qs, 16 of qh
//   TQ1_0            d; 12 words of qs; 1 word of qh
//   TQ2_0            d; 16 words of qs
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "tensor/dtype.h"

namespace nextn {

constexpr int kTileRows = 16;

// The formats that matmul kernels read.
enum class PackFormat : uint8_t {
  kF32,
  kF16,
  kBF16,
  kQ8_0,
  kQ4_0,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIQ4_XS,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kIQ4_NL,
  kMXFP4,
  kNVFP4,
  kQ2_K,
  kQ3_K,
  kIQ2_XXS,
  kIQ2_XS,
  kIQ2_S,
  kIQ3_XXS,
  kIQ3_S,
  kIQ1_S,
  kIQ1_M,
  kTQ1_0,
  kTQ2_0,
};
constexpr int kNumPackFormats = 26;

DType dtype_of(PackFormat format) noexcept;
// The format of this type; nothing for a type without kernels.
std::optional<PackFormat> pack_format_of(DType type) noexcept;

// Bytes of one tile of 16 rows by k inputs. k is a multiple of the type's block.
size_t tile_bytes(PackFormat format, int64_t k) noexcept;

// rows: (n_rows <= 16, k) in file layout, row_bytes apart; tile: tile_bytes() bytes. next: what is packed after it, as
// many bytes, which are prefetched meanwhile; null: nothing.
void pack_tile(PackFormat format, const uint8_t* rows, size_t row_bytes, int n_rows, int64_t k, uint8_t* tile,
               const uint8_t* next = nullptr) noexcept;

// The inverse for row r (0..15) of a tile: the very bytes the row had in the file.
void unpack_row(PackFormat format, const uint8_t* tile, int r, int64_t k, uint8_t* row) noexcept;

}  // namespace nextn
