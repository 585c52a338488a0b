// Ops that treat each row by itself, or each head of a row: norms, sums, gates.
#pragma once

#include "ops/ctx.h"
#include "tensor/tensor_view.h"

namespace nextn::ops {

// y = w x / sqrt(mean(x^2) + eps), row by row; w has x.cols entries. y and x may be the same.
void rms_norm(Ctx& ctx, const TensorView& y, const TensorView& x, const float* w, float eps) noexcept;

// The same, and y quantised for matmul_q8; rows of y are packed.
void rms_norm_q8(Ctx& ctx, const TensorView& y, const TensorView& x, const float* w, float eps) noexcept;

// y = silu(gate) up, and y quantised for matmul_q8; rows of y are packed. y and gate may be the same.
void swiglu_q8(Ctx& ctx, const TensorView& y, const TensorView& gate, const TensorView& up) noexcept;

// x += bias, in every row; bias has x.cols entries.
void add_bias(Ctx& ctx, const TensorView& x, const float* bias) noexcept;

// The arg max of each row, ties to the lower index; -1 where a row has a NaN.
void argmax(Ctx& ctx, int64_t* index, const TensorView& x) noexcept;

}  // namespace nextn::ops
