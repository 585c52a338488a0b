// The 16-row interleaved layout of a weight matrix (design decision D2): how many bytes a tile has, how rows get in,
// and how one row gets out again. Plain byte moves in baseline code, the same for every instruction set.
//
// A tile is 16 output rows by all K inputs. Along K it is cut into blocks (32 inputs for Q8_0 and Q4_0, 256 for the
// K-quants and IQ4_XS, 1 for the float types), and within a block whatever 16 rows have in common stands side by side,
// lane = row:
//
//   4-byte groups of quants   64-byte words, byte 4r + j = byte j of row r's group
//   single bytes (scales)     16-byte words, byte r = row r's byte
//   16-bit units (d, dmin)     32-byte words, unit r = row r's
//
// A tile has exactly the bytes of its 16 rows in the file; a last tile of fewer rows is filled up with zero bytes.
// Q8_0's quants are stored with the sign bit flipped (value + 128), because VPDPBUSD wants its first operand unsigned.
// The order of fields in a block:
//
//   F32, F16, BF16   one word of 16 elements for each input
//   Q8_0             d (32 bytes), 8 words: inputs 4s .. 4s+3
//   Q4_0             d (32 bytes), 4 words: inputs 4s .. 4s+3 low nibbles, 16 + 4s .. low 16 + 4s + 3 high nibbles
//   Q4_K             d, dmin (32 bytes each), 12 scale bytes (16 bytes each), 32 words of qs in file order
//   Q5_K             d, dmin, 12 scale bytes, 8 words of qh, 32 words of qs
//   Q6_K             d, 16 scale bytes (int8), 16 words of qh, 32 words of ql
//   IQ4_XS           d, scales_h (32 bytes each), 4 bytes of scales_l (16 bytes each), 32 words of qs
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace nextn {

constexpr int kTileRows = 16;

// The formats that matmul kernels read. Other types of a file are widened to one of these when they are loaded.
enum class PackFormat : uint8_t { kF32, kF16, kBF16, kQ8_0, kQ4_0, kQ4_K, kQ5_K, kQ6_K, kIQ4_XS };
constexpr int kNumPackFormats = 9;

DType dtype_of(PackFormat format) noexcept;

// Bytes of one tile of 16 rows by k inputs. k is a multiple of the type's block.
size_t tile_bytes(PackFormat format, int64_t k) noexcept;

// rows: (n_rows <= 16, k) in file layout, row_bytes apart; tile: tile_bytes() bytes.
void pack_tile(PackFormat format, const uint8_t* rows, size_t row_bytes, int n_rows, int64_t k, uint8_t* tile) noexcept;

// The inverse for row r (0..15) of a tile: the very bytes the row had in the file.
void unpack_row(PackFormat format, const uint8_t* tile, int r, int64_t k, uint8_t* row) noexcept;

}  // namespace nextn
