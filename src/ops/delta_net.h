// The gated delta net: short convolution, gates, recurrence, gated norm (arXiv:2412.06464). Rows come in runs, one run
// for each sequence of the step: first its sure rows, then its draft rows.
#pragma once

#include <span>

#include "ops/ctx.h"
#include "tensor/cache_views.h"
#include "tensor/tensor_view.h"

namespace nextn::ops {

// u (R, C) holds q (Hk, Dk), k (Hk, Dk), v (Hv, Dv), in this order, in every row.
struct DeltaShape {
  int n_key_heads, n_value_heads, key_dim, value_dim;
  bool grouped = false;  // value heads that share a key head lie side by side, not n_key_heads apart

  // The one that value head h goes with.
  int key_head(int h) const noexcept { return grouped ? h / (n_value_heads / n_key_heads) : h % n_key_heads; }
  int64_t k_column() const noexcept { return static_cast<int64_t>(n_key_heads) * key_dim; }
  int64_t v_column() const noexcept { return 2 * k_column(); }
  int64_t value_width() const noexcept { return static_cast<int64_t>(n_value_heads) * value_dim; }
  int64_t channels() const noexcept { return v_column() + value_width(); }
};

struct DeltaRun {
  int first_row;  // in the step
  int n_sure, n_draft;
  int64_t position;  // of first_row
  DeltaView delta;
  ConvView conv;
};

// beta and alpha (R, Hv) out of ba (R, 2 * Hv), which holds, key head by key head, the betas of its value heads, then
// their alphas.
void part_gates(const TensorView& beta, const TensorView& alpha, const TensorView& ba,
                const DeltaShape& shape) noexcept;

// What the delta rule reads. u (R, C) = silu(causal depthwise convolution of m (R, C)): tap j of n_taps weighs the
// column n_taps - 1 - j positions back, before position 0 there are zeros; taps (n_taps, C). Then its q and k heads are
// divided by max(|x|, eps). The runs' rings get the columns of m. In place: beta (R, Hv) = sigmoid(beta) and decay (R,
// Hv) = exp(a softplus(decay + dt)), a and dt (Hv).
void conv_and_gates(Ctx& ctx, const TensorView& u, const TensorView& beta, const TensorView& decay, const TensorView& m,
                    const TensorView& taps, const float* a, const float* dt, const DeltaShape& shape, float eps,
                    std::span<const DeltaRun> runs) noexcept;

// o (R, Hv * Dv) = the delta rule over each run: pending records are applied and, unless they are drafts still, kept;
// sure rows applied and kept, draft rows computed and recorded (D3). Then, head by head, o = rms_norm(o; w) * silu(z),
// z (R, Hv * Dv), w (Dv), and o quantised for matmul_q8.
void delta_net_q8(Ctx& ctx, const TensorView& o, const TensorView& u, const TensorView& beta, const TensorView& decay,
                  const TensorView& z, const float* w, const DeltaShape& shape, float eps,
                  std::span<const DeltaRun> runs) noexcept;

}  // namespace nextn::ops
