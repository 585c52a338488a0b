#include "ops/elementwise.h"
#include "ops/profile.h"

#include <algorithm>
#include <cmath>

namespace nextn::ops {

namespace {

// Fault::kOrder: the same norm with its squares added from the end, as a kernel whose order depended on the number of
// rows would have it.
void rms_norm_in_another_order(float* y, const float* x, const float* w, int n, float eps) noexcept {
  float sum = 0;
  for (int i = n - 1; i >= 0; i--) sum += x[i] * x[i];
  const float scale = 1 / std::sqrt(sum / static_cast<float>(n) + eps);
  for (int i = 0; i < n; i++) y[i] = x[i] * scale * w[i];
}

RmsNormFn norm_kernel(const Ctx& ctx, int64_t n_rows) noexcept {
  return ctx.fault == Fault::kOrder && n_rows > 1 && n_rows <= 9 ? rms_norm_in_another_order : ctx.kernels.rms_norm;
}

}  // namespace

void rms_norm(Ctx& ctx, const TensorView& y, const TensorView& x, const float* w, float eps) noexcept {
  const OpTimer timer(ctx, "rms_norm");
  const RmsNormFn norm = norm_kernel(ctx, x.rows);
  ctx.pool.run(static_cast<int>(x.rows), [&](int r) { norm(y.row(r), x.row(r), w, static_cast<int>(x.cols), eps); });
}

void rms_norm_q8(Ctx& ctx, const TensorView& y, const TensorView& x, const float* w, float eps) noexcept {
  const OpTimer timer(ctx, "rms_norm_q8");
  ctx.act.source = y.data;
  const RmsNormFn norm = norm_kernel(ctx, x.rows);
  ctx.pool.run(static_cast<int>(x.rows), [&](int r) {
    norm(y.row(r), x.row(r), w, static_cast<int>(x.cols), eps);
    quantize_part(ctx, y, r, 0, y.cols);
  });
}

void swiglu_q8(Ctx& ctx, const TensorView& y, const TensorView& gate, const TensorView& up) noexcept {
  const OpTimer timer(ctx, "swiglu_q8");
  ctx.act.source = y.data;
  // A few rows are cut into parts of whole blocks, so that all threads have some: the same part of every row.
  const int64_t part = y.rows < 4 * ctx.pool.n_threads() ? kSuperBlock : y.cols;
  const int64_t n_parts = (y.cols + part - 1) / part;
  ctx.pool.run(static_cast<int>(y.rows * n_parts), [&](int task) {
    const int64_t r = task % y.rows, first = task / y.rows * part, n = std::min(part, y.cols - first);
    ctx.kernels.swiglu(y.row(r) + first, gate.row(r) + first, up.row(r) + first, static_cast<int>(n));
    quantize_part(ctx, y, r, first, n);
  });
}

void add_bias(Ctx& ctx, const TensorView& x, const float* bias) noexcept {
  const OpTimer timer(ctx, "add_bias");
  ctx.pool.run(static_cast<int>(x.rows), [&](int r) { ctx.kernels.add(x.row(r), bias, static_cast<int>(x.cols)); });
}

void argmax(Ctx& ctx, int64_t* index, const TensorView& x) noexcept {
  const OpTimer timer(ctx, "argmax");
  ctx.pool.run(static_cast<int>(x.rows), [&](int r) { index[r] = ctx.kernels.argmax(x.row(r), x.cols); });
}

}  // namespace nextn::ops
