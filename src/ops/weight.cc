#include "ops/weight.h"

#include <algorithm>

#include "quant/decode.h"

namespace nextn {

Weight Weight::slice(int64_t first, int64_t n) const noexcept {
  Weight part = *this;
  const int64_t row = first_row(first);
  part.n_out = (n - 1) * kTileRows + tile_rows(first + n - 1);
  part.n_matrices = 1;
  if (scales != nullptr) part.scales += first / matrix_tiles() / matrices_per_scale;
  if (tiles != nullptr) part.tiles += first * static_cast<int64_t>(tile_bytes(format, k));
  if (in_file.data != nullptr) part.in_file.data = in_file.row(row);
  return part;
}

void pack_rows(const Weight& w, int64_t t, const uint8_t* rows, int64_t row_bytes, uint8_t* tile,
               const uint8_t* next) noexcept {
  pack_tile(w.format, rows, static_cast<size_t>(row_bytes), static_cast<int>(w.tile_rows(t)), w.k, tile, next);
}

void weight_row(const Weight& w, int64_t row, int64_t first, int64_t n, float* out) noexcept {
  constexpr int64_t kPiece = 256;  // whole blocks of every format
  const uint8_t* const tile = w.tiles + row / kTileRows * static_cast<int64_t>(tile_bytes(w.format, w.k));
  uint8_t block[kPiece * sizeof(float)];
  for (int64_t at = 0; at < n; at += kPiece) {
    const int64_t piece = std::min(kPiece, n - at);
    unpack_row(w.format, tile + tile_bytes(w.format, first + at), static_cast<int>(row % kTileRows), piece, block);
    decode_row(dtype_of(w.format), block, piece, out + at);
  }
}

void file_row(const FileRows& rows, int64_t r, int64_t n, float* out) noexcept {
  constexpr int64_t kPiece = 2048;  // whole blocks of every type
  if (rows.map == nullptr) return decode_row(rows.type, rows.row(r), n, out);
  uint8_t bytes[kPiece * sizeof(float)];
  const uint8_t* at = rows.row(r);
  for (int64_t i = 0; i < n; i += kPiece) {
    const int64_t piece = std::min(kPiece, n - i);
    const size_t size = static_cast<size_t>(rows.row_bytes * piece / n);
    // What the file has not got any more faults in its map as every other part of it would.
    const bool read = rows.map->read(static_cast<size_t>(at - rows.map->bytes().data()), size, bytes);
    decode_row(rows.type, read ? bytes : at, piece, out + i);
    at += size;
  }
}

}  // namespace nextn
