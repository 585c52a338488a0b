// Weights as the ops see them: matrices in the interleaved layout or, where memory does not hold them, in the file's;
// vectors in float, embedding tables.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/mapped_file.h"
#include "kernels/pack.h"

namespace nextn {

// The rows of a matrix as they lie in the file.
struct FileRows {
  const uint8_t* data = nullptr;
  int64_t row_bytes = 0;
  DType type = DType::kF32;
  const MappedFile* map = nullptr;  // whose pages these are; nullptr: memory

  const uint8_t* row(int64_t r) const noexcept { return data + r * row_bytes; }
};

// A (n_out, k) matrix in 16-row tiles (kernels/pack.h), or several of one shape, each in whole tiles, one after
// another. Does not own its bytes.
struct Weight {
  PackFormat format = PackFormat::kF32;
  int64_t k = 0;
  int64_t n_out = 0;
  const uint8_t* tiles = nullptr;
  FileRows in_file = {};  // instead of tiles: each is packed when it is used, so that the sums are the same
  int64_t n_matrices = 1;
  const float* scales = nullptr;  // where set: factors of every product, one for so many matrices
  int64_t matrices_per_scale = 1;

  explicit operator bool() const noexcept { return tiles != nullptr || in_file.data != nullptr; }
  int64_t matrix_tiles() const noexcept { return (n_out + kTileRows - 1) / kTileRows; }
  int64_t n_tiles() const noexcept { return n_matrices * matrix_tiles(); }
  // Of tile t: its first row, counted through all matrices, and how many it has.
  int64_t first_row(int64_t t) const noexcept { return t / matrix_tiles() * n_out + t % matrix_tiles() * kTileRows; }
  int64_t tile_rows(int64_t t) const noexcept {
    return std::min<int64_t>(kTileRows, n_out - t % matrix_tiles() * kTileRows);
  }
  size_t tiles_bytes() const noexcept { return static_cast<size_t>(n_tiles()) * tile_bytes(format, k); }

  // The rows of n tiles from `first` on, all of one matrix, as a matrix.
  Weight slice(int64_t first, int64_t n) const noexcept;
  Weight matrix(int64_t i) const noexcept { return slice(i * matrix_tiles(), matrix_tiles()); }
};

// Whether its kernels read activations in float, not in 8 bits.
inline bool reads_floats(PackFormat format) noexcept {
  return format == PackFormat::kF32 || format == PackFormat::kF16 || format == PackFormat::kBF16;
}

// Inputs [0, n) of a row after `first`, in float: whole blocks of the format, `first` a multiple of 256. For weights in
// tiles.
void weight_row(const Weight& w, int64_t row, int64_t first, int64_t n, float* out) noexcept;

// Row r, of n values, in float. Out of a map's file by reading it, which costs less than a page that comes and goes.
void file_row(const FileRows& rows, int64_t r, int64_t n, float* out) noexcept;

// Packs tile t of w out of `rows`, the rows of that tile; next: as in pack_tile.
void pack_rows(const Weight& w, int64_t t, const uint8_t* rows, int64_t row_bytes, uint8_t* tile,
               const uint8_t* next = nullptr) noexcept;

// A (V, D) table whose rows are looked up: a tied one is the LM head's matrix, an untied one stays in the file's
// layout, where only the rows that occur are ever read.
struct EmbeddingTable {
  const Weight* tied = nullptr;  // set, or
  FileRows rows;
  int64_t n_vocab = 0;
  int64_t n_embd = 0;
};

}  // namespace nextn
