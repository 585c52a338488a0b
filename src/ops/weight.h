// Weights as the ops see them: matrices in the interleaved layout, vectors in float, embedding tables.
#pragma once

#include <cstdint>

#include "kernels/pack.h"

namespace nextn {

// A (n_out, k) matrix in 16-row tiles (kernels/pack.h). Does not own its bytes.
struct Weight {
  PackFormat format = PackFormat::kF32;
  int64_t k = 0;
  int64_t n_out = 0;
  const uint8_t* tiles = nullptr;

  explicit operator bool() const noexcept { return tiles != nullptr; }
  int64_t n_tiles() const noexcept { return (n_out + kTileRows - 1) / kTileRows; }
};

// A (V, D) table whose rows are looked up: a tied one is the head's own interleaved tiles, an untied one stays in the
// file's layout, where only the rows that occur are ever read.
struct EmbeddingTable {
  Weight tied;                    // set, or
  const uint8_t* rows = nullptr;  // V rows of row_bytes bytes, of type `type`
  int64_t row_bytes = 0;
  DType type = DType::kF32;
  int64_t n_vocab = 0;
  int64_t n_embd = 0;
};

}  // namespace nextn
