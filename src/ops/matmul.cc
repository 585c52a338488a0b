#include "ops/matmul.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/mapped_file.h"
#include "ops/profile.h"
#include "quant/decode.h"

namespace nextn::ops {

namespace {

constexpr int kMaxProducts = 4;

bool reads_floats(PackFormat format) {
  return format == PackFormat::kF32 || format == PackFormat::kF16 || format == PackFormat::kBF16;
}

void quantize_rows(Ctx& ctx, const TensorView& x) noexcept {
  const OpTimer timer(ctx, "quantize");
  ctx.act.source = x.data;
  ctx.pool.run(static_cast<int>(x.rows), [&](int r) { quantize_part(ctx, x, r, 0, x.cols); });
}

// Tiles [first, last) of w for all rows of x, in column blocks of at most eight rows. A few tiles at a time stay in
// cache while the column blocks pass over them.
void multiply(Ctx& ctx, const TensorView& x, const TensorView& y, const Weight& w, int64_t first,
              int64_t last) noexcept {
  const int64_t at_once = x.rows <= kMaxMatmulRows ? last - first : 1;
  for (int64_t tile = first; tile < last; tile += at_once) {
    for (int64_t r = 0; r < x.rows; r += kMaxMatmulRows) {
      MatmulArgs args;
      args.w = w.tiles;
      args.k = w.k;
      args.n_out = w.n_out;
      args.act = {x.row(r), ctx.act.q(r, w.k), ctx.act.scale(r, w.k), ctx.act.sum(r, w.k)};
      args.n_rows = static_cast<int>(std::min<int64_t>(kMaxMatmulRows, x.rows - r));
      args.y = y.row(r);
      args.y_stride = y.stride;
      ctx.kernels.matmul[static_cast<int>(w.format)](args, tile, std::min(last, tile + at_once));
    }
  }
}

// The same for a matrix that is left in the file: each tile is packed, then multiplied as a matrix of one tile. The
// file's pages are brought in and given back a piece at a time, so that they take no memory worth mentioning.
void multiply_in_file(Ctx& ctx, const TensorView& x, const TensorView& y, const Weight& w, int64_t first,
                      int64_t last) noexcept {
  constexpr int64_t kPieceBytes = 1 << 20;
  const FileRows& rows = w.in_file;
  const int64_t piece = std::max<int64_t>(1, kPieceBytes / (kTileRows * rows.row_bytes));
  uint8_t* const slot = ctx.tiles.take();
  for (int64_t at = first; at < last; at += piece) {
    const int64_t end = std::min(last, at + piece);
    const uint8_t* const data = rows.row(at * kTileRows);
    const size_t size = static_cast<size_t>(rows.row(std::min(w.n_out, end * kTileRows)) - data);
    if (rows.mapped) fetch_pages(data, size);
    for (int64_t tile = at; tile < end; tile++) {
      pack_rows(w, tile, rows.row(tile * kTileRows), rows.row_bytes, slot);
      const int64_t n = std::min<int64_t>(kTileRows, w.n_out - tile * kTileRows);
      multiply(ctx, x, y.columns(tile * kTileRows, n), {w.format, w.k, n, slot}, 0, 1);
    }
    if (rows.mapped) drop_pages(data, size);
  }
  ctx.tiles.give(slot);
}

// Row `id` of a tied table: out of its tile, or out of the file.
void embed_tied(const Weight& w, int64_t id, float* x) noexcept {
  if (w.tiles != nullptr) return weight_row(w, id, 0, w.k, x);
  const FileRows& rows = w.in_file;
  decode_row(rows.type, rows.row(id), w.k, x);
  if (rows.mapped) drop_pages(rows.row(id), static_cast<size_t>(rows.row_bytes));
}

void scale_row(float* y, int64_t n, float by) noexcept {
  for (int64_t i = 0; by != 1 && i < n; i++) y[i] *= by;
}

// What a product wants done with the outputs of tiles [first, last), while they are in cache.
void finish(Ctx& ctx, const Product& p, int64_t first, int64_t last) noexcept {
  const int64_t at = first * kTileRows, end = std::min(last * kTileRows, p.w.n_out);
  for (int64_t r = 0; r < p.y.rows; r++) {
    float* const y = p.y.row(r);
    scale_row(y + at, end - at, p.w.scale);
    if (p.sum.data != nullptr) ctx.kernels.add(p.sum.row(r) + at, y + at, static_cast<int>(end - at));
    for (int64_t i = at; p.max.data != nullptr && i < end; i += kMaxBlock) {
      const int64_t most = ctx.kernels.argmax(y + i, std::min(kMaxBlock, end - i));
      p.max.row(r)[i / kMaxBlock] = most < 0 ? std::numeric_limits<float>::quiet_NaN() : y[i + most];
    }
  }
}

void multiply_all(Ctx& ctx, const TensorView& x, std::initializer_list<Product> products) noexcept {
  int64_t n_tiles = 0;
  double bytes = 0;
  bool whole_blocks = false;
  for (const Product& p : products) {
    whole_blocks |= p.max.data != nullptr;
    n_tiles += p.w.n_tiles();
    bytes += static_cast<double>(p.w.n_tiles()) * static_cast<double>(tile_bytes(p.w.format, p.w.k));
  }
  const OpTimer timer(ctx, "matmul", bytes);

  // Enough chunks that a slow core does not keep the others waiting, large enough that taking one costs nothing.
  constexpr int64_t kMostTiles = kMaxBlock / kTileRows;
  const int64_t chunk =
      whole_blocks ? kMostTiles : std::clamp<int64_t>(n_tiles / (8 * ctx.pool.n_threads()), 1, kMostTiles);
  struct Queue {
    const Product* product;
    int first_task;
  } queue[kMaxProducts];
  int n_tasks = 0, n_products = 0;
  for (const Product& p : products) {
    queue[n_products++] = {&p, n_tasks};
    n_tasks += static_cast<int>((p.w.n_tiles() + chunk - 1) / chunk);
  }
  ctx.pool.run(n_tasks, [&](int task) {
    int i = n_products - 1;
    while (task < queue[i].first_task) i--;
    const int64_t first = (task - queue[i].first_task) * chunk;
    const Product& p = *queue[i].product;
    const int64_t last = std::min(first + chunk, p.w.n_tiles());
    const auto run = p.w.tiles != nullptr ? multiply : multiply_in_file;
    run(ctx, x, p.y, p.w, first, last);
    finish(ctx, p, first, last);
  });
}

}  // namespace

void matmul(Ctx& ctx, const TensorView& x, std::initializer_list<Product> products) noexcept {
  NEXTN_CHECK(x.stride == x.cols && products.size() <= kMaxProducts);
  if (x.rows == 0) return;
  bool integer = false;
  for (const Product& p : products) integer |= !reads_floats(p.w.format);
  if (integer) quantize_rows(ctx, x);
  multiply_all(ctx, x, products);
}

void matmul_q8(Ctx& ctx, const TensorView& x, std::initializer_list<Product> products) noexcept {
  NEXTN_CHECK(x.stride == x.cols && products.size() <= kMaxProducts);
  if (x.rows == 0) return;
  NEXTN_CHECK(ctx.act.source == x.data);
  multiply_all(ctx, x, products);
}

void matmul_tiles(Ctx& ctx, float* y, const TensorView& x, const Weight& w, std::span<const int32_t> tiles) noexcept {
  NEXTN_CHECK(x.rows == 1 && x.cols == w.k && w.tiles != nullptr);
  if (!reads_floats(w.format)) quantize_rows(ctx, x);
  const int64_t bytes = static_cast<int64_t>(tile_bytes(w.format, w.k)), n = static_cast<int64_t>(tiles.size());
  const OpTimer timer(ctx, "matmul_tiles", static_cast<double>(n * bytes));
  constexpr int64_t kChunk = 8;
  ctx.pool.run(static_cast<int>((n + kChunk - 1) / kChunk), [&](int task) {
    for (int64_t i = task * kChunk; i < std::min(n, (task + 1) * kChunk); i++) {
      const int64_t tile = tiles[static_cast<size_t>(i)];
      const int64_t n_out = std::min<int64_t>(kTileRows, w.n_out - tile * kTileRows);
      float* const out = y + i * kTileRows;
      multiply(ctx, x, TensorView(out, 1, kTileRows), {w.format, w.k, n_out, w.tiles + tile * bytes}, 0, 1);
      scale_row(out, n_out, w.scale);
      std::fill(out + n_out, out + kTileRows, -std::numeric_limits<float>::infinity());
    }
  });
}

void embed(Ctx& ctx, const TensorView& x, const EmbeddingTable& table, const int32_t* tokens) noexcept {
  const OpTimer timer(ctx, "embed");
  ctx.pool.run(static_cast<int>(x.rows), [&](int r) {
    const int64_t id = tokens[r];
    if (table.tied) return embed_tied(table.tied, id, x.row(r));
    const FileRows& rows = table.rows;
    decode_row(rows.type, rows.row(id), table.n_embd, x.row(r));
    if (rows.mapped) drop_pages(rows.row(id), static_cast<size_t>(rows.row_bytes));
  });
}

}  // namespace nextn::ops
