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

// Heads side by side in the rows of x, head h at column h * stride, each head_dim wide.
struct Heads {
  TensorView x;
  int n = 0;
  int64_t stride = 0;
  const float* norm = nullptr;  // (head_dim); nothing: not normed
  const float* bias = nullptr;  // (n * head_dim); nothing: none
  bool neighbours = false;      // rope turns dimensions (2i, 2i + 1) as a pair, not (i, i + n_rot / 2)
};

// Each head: plus its bias, RMS norm with `norm`, then rope on its first n_rot dimensions; in place. Neighbours come
// out at (i, i + n_rot / 2): in queries and keys alike, so their products are the same.
void norm_and_rope(Ctx& ctx, const Heads& heads, int head_dim, float eps, const TensorView& cos,
                   const TensorView& sin) noexcept;

// norm_and_rope of q and of k; v plus its bias, in place; then k and v (R, Hkv * Dh) into the caches at the rows'
// positions.
void norm_rope_store(Ctx& ctx, const Heads& q, const Heads& k, const Heads& v, int head_dim, float eps,
                     const TensorView& cos, const TensorView& sin, std::span<const AttentionRow> rows) noexcept;

struct AttentionShape {
  int n_heads, n_kv_heads, head_dim;
  float scale;
  bool gated = false;  // a head's queries are followed by as many gates

  int64_t query_stride() const noexcept { return (gated ? 2 : 1) * int64_t{head_dim}; }  // from head to head
};

// out (R, H * Dh) = softmax(scale q k^T) v over positions 0 .. rows[r].position, gated times sigmoid(gate), and out
// quantised for matmul_q8. q holds, for every head in turn, head_dim queries and, gated, head_dim gates; head h reads
// KV head h / (H / Hkv). Pieces are cut at absolute multiples of kKvPiece and merged in ascending order.
void attend_q8(Ctx& ctx, const TensorView& out, const TensorView& q, const AttentionShape& shape,
               std::span<const AttentionRow> rows) noexcept;

}  // namespace nextn::ops
