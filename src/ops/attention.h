// Attention over the KV caches of the sequences of a step. A row knows its position and its cache; nothing else tells
// rows of one sequence, of several, of a prompt or of drafts apart.
#pragma once

#include <span>

#include "ops/ctx.h"
#include "tensor/cache_views.h"
#include "tensor/tensor_view.h"

namespace nextn::ops {

struct AttentionRow {
  int64_t position;
  KvView cache;
  bool skip_store = false;  // Fault::kKv
};

// Angles of rotary positions: cos and sin of position * freq[i], (R, n_rot / 2) each.
void rope_angles(Ctx& ctx, const TensorView& cos, const TensorView& sin, std::span<const double> freq,
                 const int64_t* positions) noexcept;

// For each of n_heads heads of each row of x (head h at column h * head_stride): RMS norm with w (head_dim), then rope
// on the first n_rot dimensions.
void norm_and_rope(Ctx& ctx, const TensorView& x, int n_heads, int64_t head_stride, int head_dim, const float* w,
                   float eps, const TensorView& cos, const TensorView& sin) noexcept;

// Puts row r's k and v (R, Hkv * Dh) at its position.
void store_kv(Ctx& ctx, const TensorView& k, const TensorView& v, int n_kv_heads, int head_dim,
              std::span<const AttentionRow> rows) noexcept;

// out (R, H * Dh) = softmax(scale q k^T) v over positions 0 .. rows[r].position. Head h of q is at column h * q_stride
// and reads KV head h / (H / Hkv). Pieces are cut at absolute multiples of kKvPiece and merged in ascending order.
void attend(Ctx& ctx, const TensorView& out, const TensorView& q, int64_t q_stride, int n_heads, int n_kv_heads,
            int head_dim, float scale, std::span<const AttentionRow> rows) noexcept;

// out (R, H * Dh) *= sigmoid(gate), head h's gate at column h * gate_stride of `gate`.
void gate_heads(Ctx& ctx, const TensorView& out, const TensorView& gate, int64_t gate_stride, int n_heads,
                int head_dim) noexcept;

}  // namespace nextn::ops
