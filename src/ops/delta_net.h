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

  int64_t k_column() const noexcept { return static_cast<int64_t>(n_key_heads) * key_dim; }
  int64_t v_column() const noexcept { return 2 * k_column(); }
};

struct DeltaRun {
  int first_row;  // in the step
  int n_sure, n_draft;
  int64_t position;  // of first_row
  DeltaView delta;
  ConvView conv;
};

// u (R, C) = silu(causal depthwise convolution of m (R, C)): tap j of n_taps weighs the column n_taps - 1 - j positions
// back; before position 0 there are zeros. taps (n_taps, C). The runs' rings get the columns of m.
void conv1d(Ctx& ctx, const TensorView& u, const TensorView& m, const TensorView& taps,
            std::span<const DeltaRun> runs) noexcept;

// q and k heads of u: x / max(|x|, eps), in place.
void l2_norm_qk(Ctx& ctx, const TensorView& u, const DeltaShape& shape, float eps) noexcept;

// beta (R, Hv) = sigmoid(beta); decay (R, Hv) = exp(a softplus(decay + dt)); both in place, a and dt (Hv).
void delta_gates(Ctx& ctx, const TensorView& beta, const TensorView& decay, const float* a, const float* dt) noexcept;

// o (R, Hv * Dv) = the delta rule over each run: pending records are applied, sure rows applied and kept, draft rows
// computed and recorded (D3). Value head h goes with key head h % Hk.
void delta_net(Ctx& ctx, const TensorView& o, const TensorView& u, const TensorView& beta, const TensorView& decay,
               const DeltaShape& shape, std::span<const DeltaRun> runs) noexcept;

// o = rms_norm(o; w) * silu(z), head by head; o and z (R, Hv * Dv), w (Dv).
void gated_norm(Ctx& ctx, const TensorView& o, const TensorView& z, const float* w, int head_dim, float eps) noexcept;

}  // namespace nextn::ops
