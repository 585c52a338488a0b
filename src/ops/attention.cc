#include "ops/attention.h"

#include <algorithm>

#include "base/sincos.h"
#include "ops/profile.h"

namespace nextn::ops {

namespace {

constexpr int kMaxGroup = 32;     // query heads that share a KV head
constexpr int kMaxHeadDim = 512;  // both are checked when a model is loaded

}  // namespace

void rope_angles(Ctx& ctx, const TensorView& cos, const TensorView& sin, std::span<const double> freq,
                 const int64_t* positions) noexcept {
  const OpTimer timer(ctx, "rope_angles");
  ctx.pool.run(static_cast<int>(cos.rows), [&](int r) {
    for (size_t i = 0; i < freq.size(); i++) {
      const SinCos a = sincos(static_cast<double>(positions[r]) * freq[i]);
      cos.row(r)[i] = static_cast<float>(a.cos);
      sin.row(r)[i] = static_cast<float>(a.sin);
    }
  });
}

void norm_and_rope(Ctx& ctx, const TensorView& x, int n_heads, int64_t head_stride, int head_dim, const float* w,
                   float eps, const TensorView& cos, const TensorView& sin) noexcept {
  const OpTimer timer(ctx, "norm_and_rope");
  const int n_rot = static_cast<int>(2 * cos.cols);
  ctx.pool.run(static_cast<int>(x.rows), [&](int r) {
    for (int h = 0; h < n_heads; h++) {
      float* const head = x.row(r) + h * head_stride;
      ctx.kernels.rms_norm(head, head, w, head_dim, eps);
      ctx.kernels.rope(head, cos.row(r), sin.row(r), n_rot);
    }
  });
}

void store_kv(Ctx& ctx, const TensorView& k, const TensorView& v, int n_kv_heads, int head_dim,
              std::span<const AttentionRow> rows) noexcept {
  const OpTimer timer(ctx, "store_kv");
  ctx.pool.run(static_cast<int>(rows.size()), [&](int r) {
    const AttentionRow& row = rows[static_cast<size_t>(r)];
    if (row.skip_store) return;
    const KvView& c = row.cache;
    for (int h = 0; h < n_kv_heads; h++) {
      kv_store(c.k_type, k.row(r) + h * head_dim, head_dim, c.k + row.position * c.k_stride + h * c.k_head);
      kv_store(c.v_type, v.row(r) + h * head_dim, head_dim, c.v + row.position * c.v_stride + h * c.v_head);
    }
  });
}

void attend(Ctx& ctx, const TensorView& out, const TensorView& q, int64_t q_stride, int n_heads, int n_kv_heads,
            int head_dim, float scale, std::span<const AttentionRow> rows) noexcept {
  const OpTimer timer(ctx, "attend");
  const int n_group = n_heads / n_kv_heads;
  ctx.pool.run(static_cast<int>(rows.size()) * n_kv_heads, [&](int task) {
    const int r = task / n_kv_heads, g = task % n_kv_heads;
    const AttentionRow& row = rows[static_cast<size_t>(r)];
    const KvView& c = row.cache;
    float* const o = out.row(r) + static_cast<int64_t>(g) * n_group * head_dim;
    float m[kMaxGroup], l[kMaxGroup], m_next[kMaxGroup], l_next[kMaxGroup];
    alignas(64) float o_next[kMaxGroup * kMaxHeadDim];
    AttendArgs args{.q = q.row(r) + static_cast<int64_t>(g) * n_group * q_stride,
                    .q_stride = q_stride,
                    .n_group = n_group,
                    .head_dim = head_dim,
                    .scale = scale,
                    .k_type = c.k_type,
                    .v_type = c.v_type,
                    .k = nullptr,
                    .v = nullptr,
                    .k_stride = c.k_stride,
                    .v_stride = c.v_stride,
                    .n = 0,
                    .m = m,
                    .l = l,
                    .o = o};
    for (int64_t first = 0; first <= row.position; first += kKvPiece) {
      args.k = c.k + first * c.k_stride + g * c.k_head;
      args.v = c.v + first * c.v_stride + g * c.v_head;
      args.n = static_cast<int>(std::min<int64_t>(kKvPiece, row.position + 1 - first));
      ctx.kernels.attend(args);
      if (first != 0) {
        for (int h = 0; h < n_group; h++) {
          ctx.kernels.attend_merge(&m[h], &l[h], o + h * head_dim, m_next[h], l_next[h], o_next + h * head_dim,
                                   head_dim);
        }
      }
      args.m = m_next;
      args.l = l_next;
      args.o = o_next;
    }
    for (int h = 0; h < n_group; h++) {
      const float whole = 1 / l[h];
      for (int d = 0; d < head_dim; d++) o[h * head_dim + d] *= whole;
    }
  });
}

void gate_heads(Ctx& ctx, const TensorView& out, const TensorView& gate, int64_t gate_stride, int n_heads,
                int head_dim) noexcept {
  const OpTimer timer(ctx, "gate_heads");
  ctx.pool.run(static_cast<int>(out.rows), [&](int r) {
    for (int h = 0; h < n_heads; h++) {
      ctx.kernels.sigmoid_gate(out.row(r) + h * head_dim, gate.row(r) + h * gate_stride, head_dim);
    }
  });
}

}  // namespace nextn::ops
