#include "ops/matmul.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "ops/profile.h"
#include "ops/tiles.h"

namespace nextn::ops {

namespace {

void quantize(Ctx& ctx, const TensorView& x) noexcept {
  const OpTimer timer(ctx, "quantize");
  quantize_rows(ctx, x);
}

// Tiles [first, last) of w for all rows of x. Where there are many rows but no kernel for them, as many tiles at a time
// as stay in a core's second level of cache while the blocks of rows pass over them: the rows of a prompt may have to
// come from beyond it.
void multiply(Ctx& ctx, const TensorView& x, const TensorView& y, const Weight& w, int64_t first,
              int64_t last) noexcept {
  constexpr int64_t kCacheBytes = 256 << 10;
  const int64_t tile = static_cast<int64_t>(tile_bytes(w.format, w.k));
  const bool all = x.rows <= kMaxMatmulRows || RowBlocks(ctx, w, x.rows, x.rows).many;
  const int64_t at_once = all ? last - first : std::max<int64_t>(1, kCacheBytes / tile);
  multiply_tiles(ctx, w, first, last, at_once, y, x.rows, [&](int64_t r, int) -> ActRows {
    return {x.row(r), ctx.act.q(r, w.k), ctx.act.scale(r, w.k), ctx.act.sum(r, w.k)};
  });
}

// Row `id` of a tied table: out of its tile, or out of the file.
void embed_tied(const Weight& w, int64_t id, float* x) noexcept {
  if (w.tiles != nullptr) return weight_row(w, id, 0, w.k, x);
  file_row(w.in_file, id, w.k, x);
}

// What a product wants of the outputs of tiles [first, last) besides, while they are in cache.
void finish(Ctx& ctx, const Product& p, int64_t first, int64_t last) noexcept {
  const int64_t at = first * kTileRows, end = std::min(last * kTileRows, p.w.n_out);
  for (int64_t r = 0; r < p.y.rows; r++) {
    const float* const y = p.y.row(r);
    if (p.sum.data != nullptr) ctx.kernels.add(p.sum.row(r) + at, y + at, static_cast<int>(end - at));
    for (int64_t i = at; p.max.data != nullptr && i < end; i += kMaxBlock) {
      const int64_t most = ctx.kernels.argmax(y + i, std::min(kMaxBlock, end - i));
      p.max.row(r)[i / kMaxBlock] = most < 0 ? std::numeric_limits<float>::quiet_NaN() : y[i + most];
    }
  }
}

// Where part i of n of a product's tiles begins: whole blocks of maxima, or pairs of tiles where there are enough of
// them, for kernels that take two at a time. Rounded up: a product of few tiles goes to the tasks that are begun first.
int64_t part_first(const Product& p, int64_t i, int64_t n) noexcept {
  const int64_t n_tiles = p.w.n_tiles();
  const int64_t unit = p.max.data != nullptr ? kMaxBlock / kTileRows : n_tiles >= 2 * n ? 2 : 1;
  const int64_t n_units = (n_tiles + unit - 1) / unit;
  return std::min((n_units * i + n - 1) / n * unit, n_tiles);
}

// Asks for a step's activations at once: the lines that another thread has written come slowly one after another.
void fetch_rows(Ctx& ctx, const TensorView& x) noexcept {
  if (x.rows > kMaxMatmulRows) return;
  const auto fetch = [](const void* p, int64_t bytes) {
    for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(static_cast<const char*>(p) + i);
  };
  fetch(ctx.act.q(0, x.cols), x.rows * x.cols);
  fetch(ctx.act.scale(0, x.cols), x.rows * x.cols / kActBlock * 4);
  fetch(ctx.act.sum(0, x.cols), x.rows * x.cols / 16 * 2);
}

bool reads_integers(std::initializer_list<Product> products) noexcept {
  return std::ranges::any_of(products, [](const Product& p) { return !reads_floats(p.w.format); });
}

void multiply_all(Ctx& ctx, const TensorView& x, std::initializer_list<Product> products) noexcept {
  int64_t n_tiles = 0;
  double bytes = 0;
  for (const Product& p : products) {
    n_tiles += p.w.n_tiles();
    bytes += static_cast<double>(p.w.n_tiles()) * static_cast<double>(tile_bytes(p.w.format, p.w.k));
  }
  const OpTimer timer(ctx, "matmul", bytes);

  // Enough tasks that a slow core does not keep the others waiting, large enough that taking one costs nothing, as many
  // for every thread. Each has the same part of every product, so that what the next op reads together was written by
  // one thread.
  constexpr int64_t kTasksOfThread = 8, kTilesOfTask = 64;
  const int64_t n_threads = ctx.pool.n_threads(), tiles_of_round = kTilesOfTask * n_threads,
                n_rounds = std::max(kTasksOfThread, (n_tiles + tiles_of_round - 1) / tiles_of_round),
                n_tasks = std::min(n_tiles, n_rounds * n_threads);
  const bool integer = reads_integers(products);
  ctx.pool.run(static_cast<int>(n_tasks), [&](int task) {
    const bool begins_share = task * n_threads % n_tasks < n_threads;  // a thread's first, see ThreadPool::run
    if (begins_share && integer) fetch_rows(ctx, x);
    for (const Product& p : products) {
      const int64_t first = part_first(p, task, n_tasks), last = part_first(p, task + 1, n_tasks);
      if (first == last) continue;
      multiply(ctx, x, p.y, p.w, first, last);
      finish(ctx, p, first, last);
    }
  });
}

}  // namespace

void matmul(Ctx& ctx, const TensorView& x, std::initializer_list<Product> products) noexcept {
  NEXTN_CHECK(x.stride == x.cols);
  if (x.rows == 0) return;
  if (reads_integers(products)) quantize(ctx, x);
  multiply_all(ctx, x, products);
}

void matmul_q8(Ctx& ctx, const TensorView& x, std::initializer_list<Product> products) noexcept {
  NEXTN_CHECK(x.stride == x.cols);
  if (x.rows == 0) return;
  NEXTN_CHECK(ctx.act.source == x.data);
  multiply_all(ctx, x, products);
}

void matmul_tiles(Ctx& ctx, float* y, const TensorView& x, const Weight& w, std::span<const int32_t> tiles) noexcept {
  NEXTN_CHECK(x.rows == 1 && x.cols == w.k && w.tiles != nullptr);
  if (!reads_floats(w.format)) quantize(ctx, x);
  const int64_t bytes = static_cast<int64_t>(tile_bytes(w.format, w.k)), n = static_cast<int64_t>(tiles.size());
  const OpTimer timer(ctx, "matmul_tiles", static_cast<double>(n * bytes));
  constexpr int64_t kChunk = 8;
  ctx.pool.run(static_cast<int>((n + kChunk - 1) / kChunk), [&](int task) {
    for (int64_t i = task * kChunk; i < std::min(n, (task + 1) * kChunk); i++) {
      const Weight tile = w.slice(tiles[static_cast<size_t>(i)], 1);
      float* const out = y + i * kTileRows;
      multiply(ctx, x, TensorView(out, 1, kTileRows), tile, 0, 1);
      std::fill(out + tile.n_out, out + kTileRows, -std::numeric_limits<float>::infinity());
    }
  });
}

void embed(Ctx& ctx, const TensorView& x, const EmbeddingTable& table, const int32_t* tokens) noexcept {
  const OpTimer timer(ctx, "embed");
  ctx.pool.run(static_cast<int>(x.rows), [&](int r) {
    const int64_t id = tokens[r];
    if (table.tied != nullptr) return embed_tied(*table.tied, id, x.row(r));
    file_row(table.rows, id, table.n_embd, x.row(r));
  });
}

}  // namespace nextn::ops
