// Weights as the ops see them: matrices in the interleaved layout or, where memory does not hold them, in the file's;
// vectors in float, embedding tables.
#pragma once

#include <cstdint>

#include "kernels/pack.h"

namespace nextn {

// The rows of a matrix as they lie in the file.
struct FileRows {
  const uint8_t* data = nullptr;
  int64_t row_bytes = 0;
  DType type = DType::kF32;
  bool mapped = false;  // pages of a file, given back after each use

  const uint8_t* row(int64_t r) const noexcept { return data + r * row_bytes; }
};

// A (n_out, k) matrix in 16-row tiles (kernels/pack.h). Does not own its bytes.
struct Weight {
  PackFormat format = PackFormat::kF32;
  int64_t k = 0;
  int64_t n_out = 0;
  const uint8_t* tiles = nullptr;
  float scale = 1;        // a factor of every product
  FileRows in_file = {};  // instead of tiles: each is packed when it is used, so that the sums are the same

  explicit operator bool() const noexcept { return tiles != nullptr || in_file.data != nullptr; }
  int64_t n_tiles() const noexcept { return (n_out + kTileRows - 1) / kTileRows; }
  size_t tiles_bytes() const noexcept { return static_cast<size_t>(n_tiles()) * tile_bytes(format, k); }
};

// Inputs [0, n) of a row after `first`, in float: whole blocks of the format, `first` a multiple of 256. For weights in
// tiles.
void weight_row(const Weight& w, int64_t row, int64_t first, int64_t n, float* out) noexcept;

// Packs tile t of w out of `rows`, the rows of that tile.
void pack_rows(const Weight& w, int64_t t, const uint8_t* rows, int64_t row_bytes, uint8_t* tile) noexcept;

// A (V, D) table whose rows are looked up: a tied one is the head's own interleaved tiles, an untied one stays in the
// file's layout, where only the rows that occur are ever read.
struct EmbeddingTable {
  Weight tied;  // set, or
  FileRows rows;
  int64_t n_vocab = 0;
  int64_t n_embd = 0;
};

}  // namespace nextn
