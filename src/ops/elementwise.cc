#include "ops/elementwise.h"
#include "ops/profile.h"

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

}  // namespace

void rms_norm(Ctx& ctx, const TensorView& y, const TensorView& x, const float* w, float eps) noexcept {
  const OpTimer timer(ctx, "rms_norm");
  const int n = static_cast<int>(x.cols);
  const auto kernel =
      ctx.fault == Fault::kOrder && x.rows > 1 && x.rows <= 9 ? rms_norm_in_another_order : ctx.kernels.rms_norm;
  ctx.pool.run(static_cast<int>(x.rows), [&](int r) { kernel(y.row(r), x.row(r), w, n, eps); });
}

void add(Ctx& ctx, const TensorView& y, const TensorView& x) noexcept {
  const OpTimer timer(ctx, "add");
  ctx.pool.run(static_cast<int>(x.rows), [&](int r) { ctx.kernels.add(y.row(r), x.row(r), static_cast<int>(x.cols)); });
}

void swiglu(Ctx& ctx, const TensorView& y, const TensorView& gate, const TensorView& up) noexcept {
  const OpTimer timer(ctx, "swiglu");
  ctx.pool.run(static_cast<int>(y.rows),
               [&](int r) { ctx.kernels.swiglu(y.row(r), gate.row(r), up.row(r), static_cast<int>(y.cols)); });
}

void argmax(Ctx& ctx, int64_t* index, const TensorView& x) noexcept {
  const OpTimer timer(ctx, "argmax");
  ctx.pool.run(static_cast<int>(x.rows), [&](int r) { index[r] = ctx.kernels.argmax(x.row(r), x.cols); });
}

}  // namespace nextn::ops
