#include "ops/matmul.h"

#include <algorithm>

#include "base/error.h"
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
  const int64_t k = x.cols;
  ctx.pool.run(static_cast<int>(x.rows), [&](int r) {
    ctx.kernels.quantize(x.row(r), k, ctx.act.q(r, k), ctx.act.scale(r, k), ctx.act.sum(r, k));
  });
}

// Tiles [first, last) of one product for all rows of x, in column blocks of at most eight rows. A few tiles at a time
// stay in cache while the column blocks pass over them.
void multiply(Ctx& ctx, const TensorView& x, const Product& product, int64_t first, int64_t last) noexcept {
  const Weight& w = product.w;
  const int64_t at_once = x.rows <= kMaxMatmulRows ? last - first : 1;
  for (int64_t tile = first; tile < last; tile += at_once) {
    for (int64_t r = 0; r < x.rows; r += kMaxMatmulRows) {
      MatmulArgs args;
      args.w = w.tiles;
      args.k = w.k;
      args.n_out = w.n_out;
      args.act = {x.row(r), ctx.act.q(r, w.k), ctx.act.scale(r, w.k), ctx.act.sum(r, w.k)};
      args.n_rows = static_cast<int>(std::min<int64_t>(kMaxMatmulRows, x.rows - r));
      args.y = product.y.row(r);
      args.y_stride = product.y.stride;
      ctx.kernels.matmul[static_cast<int>(w.format)](args, tile, std::min(last, tile + at_once));
    }
  }
}

}  // namespace

void matmul(Ctx& ctx, const TensorView& x, std::initializer_list<Product> products) noexcept {
  NEXTN_CHECK(x.stride == x.cols && products.size() <= kMaxProducts);
  if (x.rows == 0) return;
  bool integer = false;
  int64_t n_tiles = 0;
  double bytes = 0;
  for (const Product& p : products) {
    integer |= !reads_floats(p.w.format);
    n_tiles += p.w.n_tiles();
    bytes += static_cast<double>(p.w.n_tiles()) * static_cast<double>(tile_bytes(p.w.format, p.w.k));
  }
  if (integer) quantize_rows(ctx, x);
  const OpTimer timer(ctx, "matmul", bytes);

  // Enough chunks that a slow core does not keep the others waiting, large enough that taking one costs nothing.
  const int64_t chunk = std::clamp<int64_t>(n_tiles / (8 * ctx.pool.n_threads()), 1, 64);
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
    multiply(ctx, x, *queue[i].product, first, std::min(first + chunk, queue[i].product->w.n_tiles()));
  });
}

void embed(Ctx& ctx, const TensorView& x, const EmbeddingTable& table, const int32_t* tokens) noexcept {
  const OpTimer timer(ctx, "embed");
  ctx.pool.run(static_cast<int>(x.rows), [&](int r) {
    const int64_t id = tokens[r], n = table.n_embd;
    if (!table.tied) {
      decode_row(table.type, table.rows + id * table.row_bytes, n, x.row(r));
      return;
    }
    // One row out of its tile, a piece at a time: pieces are whole blocks of every format.
    constexpr int64_t kPiece = 256;
    const Weight& w = table.tied;
    const DType type = dtype_of(w.format);
    const uint8_t* const tile = w.tiles + id / kTileRows * static_cast<int64_t>(tile_bytes(w.format, w.k));
    uint8_t block[kPiece * sizeof(float)];
    for (int64_t at = 0; at < n; at += kPiece) {
      const int64_t piece = std::min(kPiece, n - at);
      unpack_row(w.format, tile + tile_bytes(w.format, at), static_cast<int>(id % kTileRows), piece, block);
      decode_row(type, block, piece, x.row(r) + at);
    }
  });
}

}  // namespace nextn::ops
