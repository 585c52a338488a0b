#include "ops/sketch.h"

#include <algorithm>
#include <cmath>

#include "ops/profile.h"

namespace nextn::ops {

namespace {

constexpr int64_t kPiece = 256;    // inputs decoded at a time
constexpr int64_t kSample = 1024;  // rows that the columns are measured on
constexpr int64_t kRun = 8;        // sketch tiles of a task
constexpr int64_t kTilesOfOne = kSketchRows / kTileRows;

int64_t sketch_tiles(const Weight& w) {
  return (w.n_out + kSketchRows - 1) / kSketchRows;
}

int tasks(int64_t n, int64_t run) {
  return static_cast<int>((n + run - 1) / run);
}

}  // namespace

size_t Sketch::size_bytes(const Weight& w, int max_rows) noexcept {
  const size_t k = static_cast<size_t>(w.k), rows = static_cast<size_t>(sketch_tiles(w) * kSketchRows),
               query = 4 * k + k / kSketchBlock * sizeof(int16_t);
  return rows * (k / 8 + sizeof(float)) + k * sizeof(float) +
         static_cast<size_t>(max_rows) * (query + sizeof(SketchArgs));
}

Sketch::Sketch(const Weight& w, int max_rows)
    : k_(w.k),
      n_tiles_(sketch_tiles(w)),
      signs_(static_cast<size_t>(n_tiles_ * kSketchRows * k_ / 8)),
      scale_(static_cast<size_t>(n_tiles_ * kSketchRows) * sizeof(float)),
      size_(static_cast<size_t>(k_) * sizeof(float)),
      columns_(static_cast<size_t>(2 * k_) * sizeof(float)),
      tables_(static_cast<size_t>(4 * k_ * max_rows)),
      scales_(static_cast<size_t>(k_ / kSketchBlock * max_rows) * sizeof(int16_t)),
      looks_(static_cast<size_t>(max_rows)) {}

void Sketch::draw(Ctx& ctx, const Weight& w) noexcept {
  float* const mean = columns_.as<float>();
  float* const inverse = mean + k_;
  measure_columns(ctx, w, mean);
  for (int64_t j = 0; j < k_; j++) {
    const float size = size_.as<float>()[j];
    inverse[j] = size > 1e-20f ? 1 / size : 0;
  }

  // scale_r = mean of |w_rj - mean_j| / size_j: every column counts the same, so that a few large ones, which meet
  // small inputs in a trained model, do not speak for the row.
  const int64_t tile = static_cast<int64_t>(tile_bytes(w.format, k_));
  ctx.pool.run(tasks(n_tiles_, kRun), [&](int task) {
    for (int64_t t = task * kRun; t < std::min(n_tiles_, (task + 1) * kRun); t++) {
      float sum[kSketchRows] = {};
      for (int64_t i = 0; i < kTilesOfOne && t * kTilesOfOne + i < w.n_tiles(); i++) {
        ctx.kernels.sketch_tile(w.format, w.tiles + (t * kTilesOfOne + i) * tile, k_, mean, inverse,
                                signs_.data() + t * kSketchRows * k_ / 8 + i * kTileRows, sum + i * kTileRows);
      }
      float* const scale = scale_.as<float>() + t * kSketchRows;
      for (int r = 0; r < kSketchRows && t * kSketchRows + r < w.n_out; r++) {
        const float s = sum[r] / static_cast<float>(k_);
        scale[sketch_place(r)] = s < 1e20f ? s : 0;  // a weight that is no number, or a matrix of zeros
      }
    }
  });
  columns_ = AlignedBuffer();
}

// The mean of each column, and the mean distance from it, over some of the rows.
void Sketch::measure_columns(Ctx& ctx, const Weight& w, float* mean) noexcept {
  float* const size = size_.as<float>();
  const int64_t n_rows = std::min(kSample, w.n_out);
  ctx.pool.run(tasks(k_, kPiece), [&](int task) {
    const int64_t at = task * kPiece, n = std::min(kPiece, k_ - at);
    const auto for_each_weight = [&](const auto& visit) {
      float piece[kPiece];
      for (int64_t i = 0; i < n_rows; i++) {
        weight_row(w, i * w.n_out / n_rows, at, n, piece);
        for (int64_t j = 0; j < n; j++) visit(at + j, piece[j]);
      }
    };
    for_each_weight([&](int64_t j, float x) { mean[j] += x / static_cast<float>(n_rows); });
    for_each_weight([&](int64_t j, float x) { size[j] += std::fabs(x - mean[j]) / static_cast<float>(n_rows); });
  });
}

// A task looks at its tiles for one row after the other: they come from memory once.
void Sketch::first_look(Ctx& ctx, float* best, const TensorView& x, int64_t n_tiles, std::span<const int32_t> more,
                        bool* finite) noexcept {
  const int64_t n = std::min(n_tiles_, (n_tiles + kTilesOfOne - 1) / kTilesOfOne),
                n_more = static_cast<int64_t>(more.size());
  const OpTimer timer(ctx, "first_look", static_cast<double>((n + n_more) * kSketchRows * k_ / 8));
  size_t n_looks = 0;
  for (int64_t r = 0; r < x.rows; r++) {
    SketchArgs& look = looks_[n_looks];
    look = {signs_.data(), scale_.as<float>(), k_, {}, best + r * n_estimates()};
    finite[r] = make_sketch_query(x.row(r), size_.as<float>(), k_, tables_.data() + 4 * k_ * r,
                                  scales_.as<int16_t>() + k_ / kSketchBlock * r, &look.query);
    n_looks += finite[r];
  }
  const int n_tasks = tasks(n, kRun);
  const auto look_at = [&](int64_t first, int64_t end) {
    for (size_t i = 0; i < n_looks; i++) ctx.kernels.sketch(looks_[i], first, end);
  };
  ctx.pool.run(n_tasks + tasks(n_more, kRun), [&](int task) {
    if (task < n_tasks) return look_at(task * kRun, std::min(n, (task + 1) * kRun));
    for (int64_t i = (task - n_tasks) * kRun; i < std::min(n_more, (task - n_tasks + 1) * kRun); i++) {
      look_at(more[static_cast<size_t>(i)], more[static_cast<size_t>(i)] + 1);
    }
  });
}

}  // namespace nextn::ops
