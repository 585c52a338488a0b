// The inner step of every product: tiles of a matrix times rows of activations, wherever either of them lies. For the
// ops that multiply; models call those.
#pragma once

#include <algorithm>

#include "base/error.h"
#include "base/mapped_file.h"
#include "ops/ctx.h"
#include "ops/weight.h"
#include "tensor/tensor_view.h"

namespace nextn::ops {

// n rows in blocks of nearly the same size, at most `most`, and the kernel for products of w with these.
class RowBlocks {
 public:
  RowBlocks(const Ctx& ctx, const Weight& w, int64_t n, int64_t most) noexcept : n_(n) {
    // Many pay from kWorthIt rows on. As many at a time as stay in a core's second level of cache, and so many at least
    // that half of them are many.
    constexpr int64_t kWorthIt = 28, kCacheBytes = 1 << 20;
    const int format = static_cast<int>(w.format);
    matmul = ctx.kernels.matmul_many[format];
    many = matmul != nullptr && n >= kWorthIt && most >= std::min<int64_t>(n, 2 * kMinManyRows);
    if (!many) matmul = ctx.kernels.matmul[format];
    most = std::min(
        most, many ? std::clamp<int64_t>(kCacheBytes / w.k, 2 * kMinManyRows, kMaxManyRows) : int64_t{kMaxMatmulRows});
    n_blocks = (n + most - 1) / most;
  }

  // Where block b of n_blocks begins; the last one ends where the next would.
  int64_t first(int64_t b) const noexcept { return n_ * b / n_blocks; }

  MatmulFn matmul;
  bool many;  // rows for matmul_many
  int64_t n_blocks;

 private:
  int64_t n_;
};

// y = rows times the tiles [first, last) of w, at_once tiles for all rows before the next ones; in blocks of at most
// `most` rows, for which rows_at(r, n) gives rows r .. r + n - 1. w is one matrix, in tiles.
template <class RowsAt>
void multiply_packed(const Ctx& ctx, const Weight& w, int64_t first, int64_t last, int64_t at_once, const TensorView& y,
                     int64_t most, const RowsAt& rows_at) noexcept {
  const RowBlocks rows(ctx, w, y.rows, most);
  NEXTN_CHECK(ctx.act.block(w.k) == kSuperBlock || dtype_info(dtype_of(w.format)).block_values < kSuperBlock);
  for (int64_t tile = first; tile < last; tile += at_once) {
    for (int64_t b = 0; b < rows.n_blocks; b++) {
      const int64_t r = rows.first(b);
      const int n = static_cast<int>(rows.first(b + 1) - r);
      const MatmulArgs args = {w.tiles, w.k, w.n_out, rows_at(r, n), n, y.row(r), y.stride};
      rows.matmul(args, tile, std::min(last, tile + at_once));
    }
    if (w.scales == nullptr) continue;
    const int64_t end = std::min(w.n_out, std::min(last, tile + at_once) * kTileRows);
    for (int64_t r = 0; r < y.rows; r++) {
      for (int64_t i = tile * kTileRows; i < end; i++) y.row(r)[i] *= *w.scales;
    }
  }
}

// Calls body(one, tile) for the tiles [first, last) of a matrix that is left in the file, each packed as a matrix of
// its own. The file's pages are brought in and given back a piece at a time, so that they take no memory worth
// mentioning.
template <class Body>
void for_tiles_in_file(Ctx& ctx, const Weight& w, int64_t first, int64_t last, const Body& body) noexcept {
  constexpr int64_t kPieceBytes = 1 << 20;
  const FileRows& rows = w.in_file;
  const int64_t piece = std::max<int64_t>(1, kPieceBytes / (kTileRows * rows.row_bytes));
  uint8_t* const slot = ctx.tiles.take();
  for (int64_t at = first; at < last; at += piece) {
    const int64_t end = std::min(last, at + piece);
    const uint8_t* const data = rows.row(at * kTileRows);
    const size_t size = static_cast<size_t>(rows.row(std::min(w.n_out, end * kTileRows)) - data);
    if (rows.map != nullptr) fetch_pages(data, size);
    for (int64_t tile = at; tile < end; tile++) {
      const uint8_t* const next = tile + 1 < end ? rows.row((tile + 1) * kTileRows) : nullptr;
      pack_rows(w, tile, rows.row(tile * kTileRows), rows.row_bytes, slot, next);
      Weight one = {w.format, w.k, w.tile_rows(tile), slot};
      one.scales = w.scales;
      body(one, tile);
    }
    if (rows.map != nullptr) drop_pages(data, size);
  }
  ctx.tiles.give(slot);
}

// multiply_packed, or tile by tile for a matrix that is left in the file.
template <class RowsAt>
void multiply_tiles(Ctx& ctx, const Weight& w, int64_t first, int64_t last, int64_t at_once, const TensorView& y,
                    int64_t most, const RowsAt& rows_at) noexcept {
  if (w.tiles != nullptr) return multiply_packed(ctx, w, first, last, at_once, y, most, rows_at);
  for_tiles_in_file(ctx, w, first, last, [&](const Weight& one, int64_t tile) {
    multiply_packed(ctx, one, 0, 1, 1, y.columns(tile * kTileRows, one.n_out), most, rows_at);
  });
}

}  // namespace nextn::ops
