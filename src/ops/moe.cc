#include "ops/moe.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/fmath.h"
#include "ops/matmul.h"
#include "ops/profile.h"
#include "ops/tiles.h"

namespace nextn::ops {

namespace {

constexpr int64_t kGatheredRows = 64;  // that are brought together at a time, at most

}  // namespace

size_t MoeShape::gathered_bytes() const noexcept {
  const size_t floats = static_cast<size_t>(kGatheredRows * n_embd) * sizeof(float);
  return n_experts == 0 ? 0 : floats + ActBuffer::size_bytes(kGatheredRows, n_embd);
}

// ------------------------------------------------------------------------------------------------ routing

namespace {

float sigmoid(float x) noexcept {
  return 1 / (1 + exp_f32(-x));
}

void softmax(float* x, int n) noexcept {
  float most = x[0], sum = 0;
  for (int i = 1; i < n; i++) most = x[i] > most ? x[i] : most;
  for (int i = 0; i < n; i++) sum += x[i] = exp_f32(x[i] - most);
  for (int i = 0; i < n; i++) x[i] /= sum;
}

// The n_used experts with the largest value plus bias, the largest first, of equal ones the lower id first. A NaN is
// larger than any number, so that it comes out at the end and is noticed.
void choose(int32_t* chosen, const float* value, const float* bias, const MoeShape& shape) noexcept {
  float rank[kMaxExperts];
  int n = 0;
  for (int e = 0; e < shape.n_experts; e++) {
    const float r = bias == nullptr ? value[e] : value[e] + bias[e];
    if (n == shape.n_used && r <= rank[n - 1]) continue;
    int at = n == shape.n_used ? n - 1 : n++;
    for (; at > 0 && !(r <= rank[at - 1]); at--) {
      rank[at] = rank[at - 1];
      chosen[at] = chosen[at - 1];
    }
    rank[at] = r;
    chosen[at] = e;
  }
}

// value (E), used up: a row's scores. Writes who is chosen and the shares.
void route_row(int32_t* chosen, float* share, float* value, const float* bias, const MoeShape& shape) noexcept {
  constexpr float kLeastSum = 0x1p-14f;
  if (shape.gating == Gating::kSoftmax) softmax(value, shape.n_experts);
  if (shape.gating == Gating::kSigmoid) {
    for (int e = 0; e < shape.n_experts; e++) value[e] = sigmoid(value[e]);
  }
  choose(chosen, value, bias, shape);
  for (int i = 0; i < shape.n_used; i++) share[i] = value[chosen[i]];
  if (shape.gating == Gating::kSoftmaxOfChosen) softmax(share, shape.n_used);
  float scale = shape.scale;
  if (shape.normalise) {
    float sum = 0;
    for (int i = 0; i < shape.n_used; i++) sum += share[i];
    for (int i = 0; i < shape.n_used; i++) share[i] /= sum < kLeastSum ? kLeastSum : sum;
  }
  for (int i = 0; i < shape.n_used; i++) share[i] *= scale;
}

void count(ExpertCount& c, const int32_t* chosen, int n_rows, int n_used, int n_groups) {
  if (n_rows > c.most_rows) return;
  c.layers++;
  c.rows += n_rows;
  c.touched += n_groups;
  for (int r = 1; r < n_rows; r++) {
    const std::span<const int32_t> before(chosen + (r - 1) * n_used, static_cast<size_t>(n_used));
    c.chosen += n_used;
    for (int i = 0; i < n_used; i++) c.again += std::ranges::count(before, chosen[r * n_used + i]);
  }
}

size_t pair_bytes(int64_t row_limit, const MoeShape& shape) {
  return static_cast<size_t>(row_limit * shape.n_used) * sizeof(int32_t);
}

}  // namespace

Routing::Routing(int64_t row_limit, const MoeShape& shape)
    : chosen_(pair_bytes(row_limit, shape)),
      weights_(pair_bytes(row_limit, shape)),
      groups_(static_cast<size_t>(shape.n_experts) * sizeof(Group)),
      rows_(pair_bytes(row_limit, shape)),
      shares_(pair_bytes(row_limit, shape)) {}

size_t Routing::size_bytes(int64_t row_limit, const MoeShape& shape) noexcept {
  return 4 * pair_bytes(row_limit, shape) + static_cast<size_t>(shape.n_experts) * sizeof(Group);
}

void Routing::route(Ctx& ctx, const TensorView& scores, const float* bias, const MoeShape& shape) noexcept {
  const OpTimer timer(ctx, "route");
  const int n_rows = static_cast<int>(scores.rows), n_used = shape.n_used;
  int32_t* const chosen = chosen_.as<int32_t>();
  float* const weights = weights_.as<float>();
  ctx.pool.run(n_rows,
               [&](int r) { route_row(chosen + r * n_used, weights + r * n_used, scores.row(r), bias, shape); });

  // Counting sort of the pairs by expert.
  int ends[kMaxExperts] = {};
  for (int i = 0; i < n_rows * n_used; i++) ends[chosen[i]]++;
  Group* const groups = groups_.as<Group>();
  n_groups_ = 0;
  for (int e = 0, first = 0; e < shape.n_experts; e++) {
    const int n = ends[e];
    ends[e] = first;
    if (n > 0) groups[n_groups_++] = {e, first, n};
    first += n;
  }
  for (int i = 0; i < n_rows * n_used; i++) {
    const int pair = ends[chosen[i]]++;
    rows_.as<int32_t>()[pair] = i / n_used;
    shares_.as<float>()[pair] = weights[i];
  }
  if (ctx.experts != nullptr) count(*ctx.experts, chosen, n_rows, n_used, n_groups_);
}

// ------------------------------------------------------------------------------------------------ experts

MoeBuffers::MoeBuffers(int64_t row_limit, const MoeShape& shape, int widest_block)
    : scores_(row_limit, shape.n_experts), shared_gate_(row_limit, 1), routing_(row_limit, shape) {
  const auto inner = [=](int64_t rows, int64_t width) {
    return Inner{Buffer(rows, width), Buffer(rows, width), ActBuffer(rows, width, widest_block)};
  };
  routed_ = inner(row_limit * shape.n_used, shape.n_ff);
  shared_ = inner(row_limit, shape.n_ff_shared);
}

size_t MoeBuffers::size_bytes(int64_t row_limit, const MoeShape& shape) noexcept {
  if (shape.n_experts == 0) return 0;
  const auto inner = [](int64_t rows, int64_t width) {
    return 2 * static_cast<size_t>(rows * width) * sizeof(float) + ActBuffer::size_bytes(rows, width);
  };
  return static_cast<size_t>(row_limit * (shape.n_experts + 1)) * sizeof(float) +
         Routing::size_bytes(row_limit, shape) + inner(row_limit * shape.n_used, shape.n_ff) +
         inner(row_limit, shape.n_ff_shared);
}

namespace {

// One expert's FFN and its rows: those of its group, or all of the step for the shared expert.
struct Expert {
  Weight gate, up, down;
  int64_t first, n;     // its rows of the inner buffers
  const int32_t* rows;  // of the step, for each of them; nothing: the same
  const float* shares;  // for each of them; nothing: 1
};

// Rows of h that an expert computes, brought together where they do not stand together.
class Gather {
 public:
  Gather(Ctx& ctx, const TensorView& h, const Expert& e) : ctx_(ctx), h_(h), e_(e) {}
  ~Gather() {
    if (slot_ != nullptr) ctx_.rows.give(slot_);
  }
  Gather(const Gather&) = delete;
  Gather& operator=(const Gather&) = delete;

  ActRows operator()(int64_t r, int n) noexcept {
    const int64_t k = h_.cols, first = e_.rows == nullptr ? r : e_.rows[r];
    if (e_.rows == nullptr || e_.rows[r + n - 1] == first + n - 1) {
      return {h_.row(first), ctx_.act.q(first, k), ctx_.act.scale(first, k), ctx_.act.sum(first, k)};
    }
    if (slot_ == nullptr) slot_ = ctx_.rows.take();
    float* const x = reinterpret_cast<float*>(slot_);
    float* const scale = x + kGatheredRows * k;
    int16_t* const sum = reinterpret_cast<int16_t*>(scale + kGatheredRows * (k / kActBlock));
    int8_t* const q = reinterpret_cast<int8_t*>(sum + kGatheredRows * (k / 16));
    if (r != gathered_ || n > n_gathered_) {
      gathered_ = r;
      n_gathered_ = n;
      const bool floats = reads_floats(e_.gate.format) || reads_floats(e_.up.format);
      const bool bytes = !reads_floats(e_.gate.format) || !reads_floats(e_.up.format);
      for (int i = 0; i < n; i++) {
        const int64_t from = e_.rows[r + i];
        if (floats) std::copy_n(h_.row(from), k, x + i * k);
        if (!bytes) continue;
        std::copy_n(ctx_.act.q(from, k), k, q + i * k);
        std::copy_n(ctx_.act.scale(from, k), k / kActBlock, scale + i * (k / kActBlock));
        std::copy_n(ctx_.act.sum(from, k), k / 16, sum + i * (k / 16));
      }
    }
    return {x, q, scale, sum};
  }

 private:
  Ctx& ctx_;
  const TensorView& h_;
  const Expert& e_;
  uint8_t* slot_ = nullptr;
  int64_t gathered_ = -1;
  int n_gathered_ = 0;
};

// What an expert's tiles [first, last) of gate and up give, silu(gate) * up, into its rows of the inner buffers; in 8
// bits too if they are whole blocks.
void gate_and_up(Ctx& ctx, const TensorView& gate, const TensorView& up, ActBuffer& act, const TensorView& h,
                 const Expert& e, int64_t first, int64_t last, bool whole_blocks) noexcept {
  Gather gather(ctx, h, e);
  const auto rows_at = [&](int64_t r, int n) { return gather(r, n); };
  multiply_tiles(ctx, e.gate, first, last, last - first, gate.rows_from(e.first, e.n), kGatheredRows, rows_at);
  multiply_tiles(ctx, e.up, first, last, last - first, up.rows_from(e.first, e.n), kGatheredRows, rows_at);
  const int64_t at = first * kTileRows, n = std::min(last * kTileRows, e.gate.n_out) - at;
  for (int64_t r = e.first; r < e.first + e.n; r++) {
    ctx.kernels.swiglu(gate.row(r) + at, gate.row(r) + at, up.row(r) + at, static_cast<int>(n));
    if (whole_blocks && !reads_floats(e.down.format)) quantize_part(ctx, act, gate, r, at, n);
  }
}

constexpr int64_t kDownTiles = 16;  // of the down projection at a time, at most

// y += share * down, for tiles [first, last) of an expert's down projection.
void add_down(Ctx& ctx, const TensorView& y, const TensorView& inner, ActBuffer& act, const Expert& e, int64_t first,
              int64_t last) noexcept {
  const auto add = [&](const Weight& w, int64_t tile) {
    alignas(64) float out[kGatheredRows * kDownTiles * kTileRows];
    const int64_t at_once = RowBlocks(ctx, w, e.n, kGatheredRows).many ? kGatheredRows : kMaxMatmulRows;
    for (int64_t r = 0; r < e.n; r += at_once) {
      const TensorView o(out, std::min(at_once, e.n - r), w.n_out);
      multiply_packed(ctx, w, 0, w.n_tiles(), w.n_tiles(), o, at_once, [&](int64_t i, int) -> ActRows {
        const int64_t at = e.first + r + i;
        return {inner.row(at), act.q(at, w.k), act.scale(at, w.k), act.sum(at, w.k)};
      });
      for (int64_t i = 0; i < o.rows; i++) {
        const float share = e.shares == nullptr ? 1 : e.shares[r + i];
        float* const to = y.row(e.rows == nullptr ? r + i : e.rows[r + i]) + tile * kTileRows;
        const float* const from = o.row(i);
        for (int64_t c = 0; c < w.n_out; c++) to[c] += share * from[c];
      }
    }
  };
  const Weight slice = e.down.slice(first, last - first);
  if (slice.tiles != nullptr) return add(slice, first);
  for_tiles_in_file(ctx, slice, 0, last - first, [&](const Weight& one, int64_t tile) { add(one, first + tile); });
}

Expert routed_expert(const MoeWeights& w, const Routing& routing, const Routing::Group& g) noexcept {
  const bool fused = static_cast<bool>(w.ffn_gate_up_exps);
  return {fused ? w.ffn_gate_up_exps.matrix(2 * g.expert) : w.ffn_gate_exps.matrix(g.expert),
          fused ? w.ffn_gate_up_exps.matrix(2 * g.expert + 1) : w.ffn_up_exps.matrix(g.expert),
          w.ffn_down_exps.matrix(g.expert),
          g.first,
          g.n,
          routing.rows() + g.first,
          routing.shares() + g.first};
}

double bytes_of(const Weight& w) noexcept {
  return static_cast<double>(w.matrix_tiles()) * static_cast<double>(tile_bytes(w.format, w.k));
}

}  // namespace

void moe_ffn(Ctx& ctx, const TensorView& x, const TensorView& y, const TensorView& h, const MoeWeights& w,
             const MoeShape& shape, MoeBuffers& b) noexcept {
  const int64_t R = h.rows;
  if (R == 0) return;
  const TensorView scores = b.scores_.rows(R), shared_gate = b.shared_gate_.rows(R);
  if (w.ffn_gate_inp_shexp) {
    matmul_q8(ctx, h, {{scores, w.ffn_gate_inp}, {shared_gate, w.ffn_gate_inp_shexp}});
    for (int64_t r = 0; r < R; r++) shared_gate.row(r)[0] = sigmoid(shared_gate.row(r)[0]);
  } else {
    matmul_q8(ctx, h, {{scores, w.ffn_gate_inp}});
  }
  b.routing_.route(ctx, scores, w.exp_probs_b, shape);

  const std::span<const Routing::Group> groups = b.routing_.groups();
  const int n_groups = static_cast<int>(groups.size());
  const bool has_shared = static_cast<bool>(w.ffn_down_shexp);
  const Expert shared = {w.ffn_gate_shexp,
                         w.ffn_up_shexp,
                         w.ffn_down_shexp,
                         0,
                         R,
                         nullptr,
                         w.ffn_gate_inp_shexp ? shared_gate.data : nullptr};
  const TensorView gate = b.routed_.gate.rows(R * shape.n_used), up = b.routed_.up.rows(R * shape.n_used),
                   gate_shared = b.shared_.gate.rows(R), up_shared = b.shared_.up.rows(R);
  const auto tiles = [](int64_t n) { return (n + kTileRows - 1) / kTileRows; };
  const auto parts = [](int64_t n, int64_t at_once) { return static_cast<int>((n + at_once - 1) / at_once); };
  {
    // Chunks of an expert, enough of them that a slow core does not keep the others waiting, and if there are then,
    // whole blocks of activations. The shared expert's come first, in the first shares: it has the most rows.
    const OpTimer timer(ctx, "moe_gate_up",
                        n_groups * (w.ffn_gate_up_exps ? 2 * bytes_of(w.ffn_gate_up_exps)
                                                       : bytes_of(w.ffn_gate_exps) + bytes_of(w.ffn_up_exps)) +
                            (has_shared ? bytes_of(w.ffn_gate_shexp) + bytes_of(w.ffn_up_shexp) : 0));
    const int64_t n_tiles = tiles(shape.n_ff), n_shared = has_shared ? tiles(shape.n_ff_shared) : 0;
    const int64_t wanted = (n_groups * n_tiles + n_shared) / (8 * ctx.pool.n_threads());
    const int64_t shared_block = has_shared ? b.shared_.act.block(shape.n_ff_shared) : kActBlock;
    const int64_t block = std::max<int64_t>(b.routed_.act.block(shape.n_ff), shared_block) / kTileRows;
    const bool whole_blocks = wanted >= block || block <= 2;
    const int64_t chunk = std::clamp<int64_t>(whole_blocks ? wanted / block * block : wanted, 2, 64);
    const int n_parts = parts(n_tiles, chunk), shared_parts = parts(n_shared, chunk);
    ctx.pool.run(shared_parts + n_groups * n_parts, [&](int task) {
      if (task < shared_parts) {
        const int64_t first = task * chunk;
        return gate_and_up(ctx, gate_shared, up_shared, b.shared_.act, h, shared, first,
                           std::min(first + chunk, n_shared), whole_blocks);
      }
      task -= shared_parts;
      const int64_t first = task % n_parts * chunk;
      gate_and_up(ctx, gate, up, b.routed_.act, h,
                  routed_expert(w, b.routing_, groups[static_cast<size_t>(task / n_parts)]), first,
                  std::min(first + chunk, n_tiles), whole_blocks);
    });
    if (!whole_blocks) {
      const int64_t n_routed = reads_floats(w.ffn_down_exps.format) ? 0 : gate.rows;
      const int64_t n_of_shared = !has_shared || reads_floats(w.ffn_down_shexp.format) ? 0 : R;
      ctx.pool.run(static_cast<int>(n_routed + n_of_shared), [&](int r) {
        if (r < n_routed) return quantize_part(ctx, b.routed_.act, gate, r, 0, gate.cols);
        quantize_part(ctx, b.shared_.act, gate_shared, r - n_routed, 0, gate_shared.cols);
      });
    }
  }

  // A chunk of outputs at a time, expert after expert: so their order is the same for every row.
  const OpTimer timer(ctx, "moe_down",
                      n_groups * bytes_of(w.ffn_down_exps) + (has_shared ? bytes_of(w.ffn_down_shexp) : 0));
  const int64_t n_tiles = tiles(shape.n_embd);
  const int64_t chunk = std::clamp<int64_t>(n_tiles / (4 * ctx.pool.n_threads()), 1, kDownTiles);
  ctx.pool.run(parts(n_tiles, chunk), [&](int task) {
    const int64_t first = task * chunk, last = std::min(first + chunk, n_tiles);
    const int64_t at = first * kTileRows, n = std::min(last * kTileRows, shape.n_embd) - at;
    for (int64_t r = 0; r < R; r++) std::fill_n(y.row(r) + at, n, 0.0f);
    for (const Routing::Group& g : groups) {
      add_down(ctx, y, gate, b.routed_.act, routed_expert(w, b.routing_, g), first, last);
    }
    if (has_shared) add_down(ctx, y, gate_shared, b.shared_.act, shared, first, last);
    for (int64_t r = 0; r < R; r++) ctx.kernels.add(x.row(r) + at, y.row(r) + at, static_cast<int>(n));
  });
}

}  // namespace nextn::ops
