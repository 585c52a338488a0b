#include "ops/attention.h"

#include <algorithm>
#include <atomic>

#include "base/sincos.h"
#include "ops/profile.h"

namespace nextn::ops {

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

namespace {

// (a0, b0, a1, b1, ..) -> (a0, a1, .., b0, b1, ..)
void part_neighbours(float* x, int n) noexcept {
  float b[kMaxHeadDim / 2];
  for (int i = 0; i < n / 2; i++) {
    b[i] = x[2 * i + 1];
    x[i] = x[2 * i];
  }
  std::copy_n(b, n / 2, x + n / 2);
}

void norm_and_rope_head(const Ctx& ctx, const Heads& heads, int64_t r, int h, int head_dim, float eps,
                        const TensorView& cos, const TensorView& sin) noexcept {
  float* const head = heads.x.row(r) + h * heads.stride;
  if (heads.bias != nullptr) ctx.kernels.add(head, heads.bias + h * head_dim, head_dim);
  if (heads.norm != nullptr) ctx.kernels.rms_norm(head, head, heads.norm, head_dim, eps);
  const int n_rot = static_cast<int>(2 * cos.cols);
  if (heads.neighbours) part_neighbours(head, n_rot);
  ctx.kernels.rope(head, cos.row(r), sin.row(r), n_rot);
}

// Calls body(row, head) for all of them, some heads at a time: a prompt's rows are enough to share out, a step's are
// not.
template <class Body>
void for_heads(Ctx& ctx, int64_t n_rows, int n_heads, const Body& body) noexcept {
  const int at_once = n_rows >= 4 * ctx.pool.n_threads() ? n_heads : std::max(1, n_heads / (2 * ctx.pool.n_threads()));
  const int n_parts = (n_heads + at_once - 1) / at_once;
  ctx.pool.run(static_cast<int>(n_rows) * n_parts, [&](int task) {
    const int first = task % n_parts * at_once, last = std::min(first + at_once, n_heads);
    for (int h = first; h < last; h++) body(task / n_parts, h);
  });
}

}  // namespace

void norm_and_rope(Ctx& ctx, const Heads& heads, int head_dim, float eps, const TensorView& cos,
                   const TensorView& sin) noexcept {
  const OpTimer timer(ctx, "norm_and_rope");
  for_heads(ctx, heads.x.rows, heads.n,
            [&](int r, int h) { norm_and_rope_head(ctx, heads, r, h, head_dim, eps, cos, sin); });
}

void norm_rope_store(Ctx& ctx, const Heads& q, const Heads& k, const Heads& v, int head_dim, float eps,
                     const TensorView& cos, const TensorView& sin, std::span<const AttentionRow> rows) noexcept {
  const OpTimer timer(ctx, "norm_rope_store");
  for_heads(ctx, static_cast<int64_t>(rows.size()), q.n + k.n, [&](int r, int h) {
    if (h < q.n) return norm_and_rope_head(ctx, q, r, h, head_dim, eps, cos, sin);
    h -= q.n;
    norm_and_rope_head(ctx, k, r, h, head_dim, eps, cos, sin);
    float* const value = v.x.row(r) + h * v.stride;
    if (v.bias != nullptr) ctx.kernels.add(value, v.bias + h * head_dim, head_dim);
    const AttentionRow& row = rows[static_cast<size_t>(r)];
    if (row.skip_store) return;
    const KvView& c = row.cache;
    kv_store(c.k_type, k.x.row(r) + h * k.stride, head_dim, c.key(row.position, h));
    kv_store(c.v_type, value, head_dim, c.value(row.position, h));
  });
}

namespace {

// What one call of attend() works on.
struct Attention {
  Ctx& ctx;
  const TensorView &out, &q;
  const AttentionShape& shape;
  int n_group, head_dim;
  bool whole_blocks;  // of activations, in a group
  std::span<const AttentionRow> rows;

  // Head h of row r: queries, then, if it is gated, gates.
  const float* queries(int r, int h) const noexcept { return q.row(r) + h * shape.query_stride(); }
};

// Some rows and one KV head: piece after piece is merged into the rows' outputs.
class AttentionUnit {
 public:
  void begin(int first_row, int n_rows, int kv_head) noexcept {
    first_row_ = first_row;
    n_rows_ = n_rows;
    kv_head_ = kv_head;
  }

  // Pieces may be computed at the same time, but are merged one after another, the first one first; so a thread waits
  // here for the piece before its own, which is always running already.
  void attend(const Attention& a, int piece) noexcept {
    alignas(64) float o[kMaxAttendQueries * kMaxHeadDim];
    float m[kMaxAttendQueries], l[kMaxAttendQueries];
    for (int r = 0; r < n_rows_;) r += attend_same_cache(a, piece, r, m, l, o);
    spin_until(n_merged_, piece);
    merge(a, piece, m, l, o);
    n_merged_.store(piece + 1, std::memory_order_release);
  }

  void finish(const Attention& a) noexcept {
    for (int i = 0; i < n_rows_ * a.n_group; i++) {
      float* const o = head(a, i);
      const float whole = 1 / l_[i];
      for (int d = 0; d < a.head_dim; d++) o[d] *= whole;
      const int r = first_row_ + i / a.n_group, h = kv_head_ * a.n_group + i % a.n_group;
      if (a.shape.gated) a.ctx.kernels.sigmoid_gate(o, a.queries(r, h) + a.head_dim, a.head_dim);
    }
    const int64_t n = static_cast<int64_t>(a.n_group) * a.head_dim;
    for (int r = 0; a.whole_blocks && r < n_rows_; r++) quantize_part(a.ctx, a.out, first_row_ + r, kv_head_ * n, n);
  }

  int n_pieces(const Attention& a) const noexcept {
    int64_t last = 0;
    for (int r = 0; r < n_rows_; r++) last = std::max(last, a.rows[static_cast<size_t>(first_row_ + r)].position);
    return static_cast<int>(last / kKvPiece) + 1;
  }

 private:
  // The number of positions of a piece that row r sees.
  int positions(const Attention& a, int piece, int r) const noexcept {
    const int64_t n = a.rows[static_cast<size_t>(first_row_ + r)].position + 1 - static_cast<int64_t>(piece) * kKvPiece;
    return static_cast<int>(std::clamp<int64_t>(n, 0, kKvPiece));
  }
  float* head(const Attention& a, int i) const noexcept {
    return a.out.row(first_row_ + i / a.n_group) +
           static_cast<int64_t>(kv_head_ * a.n_group + i % a.n_group) * a.head_dim;
  }

  // The rows from r on that read the same cache; gives their number.
  int attend_same_cache(const Attention& a, int piece, int r, float* m, float* l, float* o) const noexcept {
    const KvView& c = a.rows[static_cast<size_t>(first_row_ + r)].cache;
    int n[kMaxAttendQueries], count = 0;
    while (r + count < n_rows_ && a.rows[static_cast<size_t>(first_row_ + r + count)].cache.k == c.k) {
      n[count] = positions(a, piece, r + count);
      count++;
    }
    const int64_t at = static_cast<int64_t>(piece) * kKvPiece, o_row = static_cast<int64_t>(a.n_group) * a.head_dim;
    a.ctx.kernels.attend({.q = a.queries(first_row_ + r, kv_head_ * a.n_group),
                          .q_row = a.q.stride,
                          .q_head = a.shape.query_stride(),
                          .n_rows = count,
                          .n_group = a.n_group,
                          .head_dim = a.head_dim,
                          .scale = a.shape.scale,
                          .k_type = c.k_type,
                          .v_type = c.v_type,
                          .k = c.key(at, kv_head_),
                          .v = c.value(at, kv_head_),
                          .k_stride = c.k_stride,
                          .v_stride = c.v_stride,
                          .n = n,
                          .m = m + r * a.n_group,
                          .l = l + r * a.n_group,
                          .o = o + r * o_row,
                          .o_row = o_row});
    return count;
  }

  void merge(const Attention& a, int piece, const float* m, const float* l, const float* o) noexcept {
    for (int i = 0; i < n_rows_ * a.n_group; i++, o += a.head_dim) {
      if (positions(a, piece, i / a.n_group) == 0) continue;
      if (piece == 0) {
        m_[i] = m[i];
        l_[i] = l[i];
        std::copy_n(o, a.head_dim, head(a, i));
      } else {
        a.ctx.kernels.attend_merge(&m_[i], &l_[i], head(a, i), m[i], l[i], o, a.head_dim);
      }
    }
  }

  int first_row_ = 0, n_rows_ = 0, kv_head_ = 0;
  std::atomic<int> n_merged_{0};
  float m_[kMaxAttendQueries], l_[kMaxAttendQueries];
};

constexpr int kMaxSplitUnits = 32;  // with more of them than this, threads have enough to do without sharing one

}  // namespace

void attend_q8(Ctx& ctx, const TensorView& out, const TensorView& q, const AttentionShape& shape,
               std::span<const AttentionRow> rows) noexcept {
  const OpTimer timer(ctx, "attend_q8");
  ctx.act.source = out.data;
  const int n_kv_heads = shape.n_kv_heads, n_group = shape.n_heads / n_kv_heads, n_rows = static_cast<int>(rows.size());
  const bool whole_blocks = n_group * shape.head_dim % ctx.act.block(out.cols) == 0;
  const Attention a = {ctx, out, q, shape, n_group, shape.head_dim, whole_blocks, rows};
  const int at_once = std::max(1, kMaxAttendQueries / n_group);
  const int n_units = (n_rows + at_once - 1) / at_once * n_kv_heads;
  const auto begin = [&](AttentionUnit& unit, int u) {
    const int first = u / n_kv_heads * at_once;
    unit.begin(first, std::min(at_once, n_rows - first), u % n_kv_heads);
  };
  if (n_units > std::min(kMaxSplitUnits, 2 * ctx.pool.n_threads())) {
    ctx.pool.run(n_units, [&](int u) {
      AttentionUnit unit;
      begin(unit, u);
      for (int piece = 0, n = unit.n_pieces(a); piece < n; piece++) unit.attend(a, piece);
      unit.finish(a);
    });
    if (!whole_blocks) quantize_rows(ctx, out);
    return;
  }
  AttentionUnit units[kMaxSplitUnits];
  int n_pieces = 0;
  for (int u = 0; u < n_units; u++) {
    begin(units[u], u);
    n_pieces = std::max(n_pieces, units[u].n_pieces(a));
  }
  // Piece by piece, so that threads work on different units as long as there are enough.
  ctx.pool.run_in_order(n_units * n_pieces, [&](int task) {
    AttentionUnit& unit = units[task % n_units];
    const int piece = task / n_units, n = unit.n_pieces(a);
    if (piece < n) unit.attend(a, piece);
    if (piece + 1 == n) unit.finish(a);
  });
  if (!whole_blocks) quantize_rows(ctx, out);
}

}  // namespace nextn::ops
