#include "ops/delta_net.h"

#include <algorithm>
#include <cstring>

#include "base/fmath.h"
#include "ops/profile.h"

namespace nextn::ops {

namespace {

constexpr int kMaxTaps = 8;         // checked when a model is loaded
constexpr int kChannelBlock = 512;  // channels of one task; key heads are no wider
constexpr int kGateRows = 8;        // rows of one task

float softplus(float x) noexcept {
  return x > 20 ? x : static_cast<float>(log_f64(1.0 + exp_f32(x)));
}

// beta = sigmoid(beta), decay = exp(a softplus(decay + dt)), one row of n heads.
void gates(float* beta, float* decay, const float* a, const float* dt, int n) noexcept {
  for (int h = 0; h < n; h++) {
    beta[h] = 1 / (1 + exp_f32(-beta[h]));
    decay[h] = exp_f32(a[h] * softplus(decay[h] + dt[h]));
  }
}

constexpr float kZeros[kChannelBlock] = {};

// n channels of one run, from channel `first` on. The ring's old columns are read before any is overwritten.
void conv_run(Ctx& ctx, const TensorView& u, const TensorView& m, const TensorView& taps, const DeltaRun& run,
              int first, int n) noexcept {
  const int n_taps = static_cast<int>(taps.rows), n_rows = run.n_sure + run.n_draft;
  const auto slot = [&](int64_t position) { return run.conv.columns + position % run.conv.n_slots * m.cols + first; };
  for (int i = 0; i < n_rows; i++) {
    const float* columns[kMaxTaps];
    for (int j = 0; j < n_taps; j++) {
      const int back = n_taps - 1 - j;
      const int64_t position = run.position + i - back;
      columns[j] = position < 0 ? kZeros : i >= back ? m.row(run.first_row + i - back) + first : slot(position);
    }
    ctx.kernels.conv_silu(u.row(run.first_row + i) + first, columns, taps.data + first, taps.stride, n_taps, n);
  }
  for (int i = std::max<int>(0, n_rows - static_cast<int>(run.conv.n_slots)); i < n_rows; i++) {
    std::memcpy(slot(run.position + i), m.row(run.first_row + i) + first, static_cast<size_t>(n) * sizeof(float));
  }
}

// The draft rows of a run as the next step will replay them: what was consumed is what is stored. The part of value
// head h, and of key head h where there is one.
void record_drafts(const TensorView& u, const TensorView& beta, const TensorView& decay, const DeltaShape& shape,
                   const DeltaRun& run, int h) noexcept {
  const int64_t k_at = static_cast<int64_t>(h) * shape.key_dim, v_at = static_cast<int64_t>(h) * shape.value_dim,
                n_kv = u.cols - shape.k_column();
  for (int i = 0; i < run.n_draft; i++) {
    const int r = run.first_row + run.n_sure + i;
    const float* const from = u.row(r) + shape.k_column();
    float* const record = run.delta.fresh + i * run.delta.record_stride;
    if (h < shape.n_key_heads) std::copy_n(from + k_at, shape.key_dim, record + k_at);
    std::copy_n(from + shape.k_column() + v_at, shape.value_dim, record + shape.k_column() + v_at);
    record[n_kv + h] = beta.row(r)[h];
    record[n_kv + shape.n_value_heads + h] = decay.row(r)[h];
  }
}

// The recurrence of one value head.
void recur(Ctx& ctx, const TensorView& o, const TensorView& u, const TensorView& beta, const TensorView& decay,
           const DeltaShape& shape, const DeltaRun& run, int h) noexcept {
  const int64_t k_at = static_cast<int64_t>(shape.key_head(h)) * shape.key_dim,
                v_at = static_cast<int64_t>(h) * shape.value_dim;
  const DeltaView& delta = run.delta;
  const int64_t record_kv = u.cols - shape.k_column();

  DeltaArgs args;
  args.state = delta.state + static_cast<int64_t>(h) * shape.value_dim * shape.key_dim;
  args.dk = shape.key_dim;
  args.dv = shape.value_dim;
  if (delta.n_pending > 0 && ctx.fault != Fault::kReplay) {
    args.replay = {.n = delta.n_pending,
                   .q = nullptr,
                   .k = delta.pending + k_at,
                   .v = delta.pending + shape.k_column() + v_at,
                   .beta = delta.pending + record_kv + h,
                   .decay = delta.pending + record_kv + shape.n_value_heads + h,
                   .qkv_stride = delta.record_stride,
                   .gate_stride = delta.record_stride};
  }
  const float* const row = u.row(run.first_row);
  args.step = {.n = run.n_sure + run.n_draft,
               .q = row + k_at,
               .k = row + shape.k_column() + k_at,
               .v = row + shape.v_column() + v_at,
               .beta = beta.row(run.first_row) + h,
               .decay = decay.row(run.first_row) + h,
               .qkv_stride = u.stride,
               .gate_stride = beta.stride};
  args.n_kept = delta.keep ? args.replay.n + run.n_sure : 0;
  args.o = o.row(run.first_row) + v_at;
  args.o_stride = o.stride;
  args.scale = 1 / __builtin_sqrtf(static_cast<float>(shape.value_dim));
  ctx.kernels.delta_rule(args);
}

// Asks for n floats that will be read soon.
void fetch(const float* p, int n) noexcept {
  for (int i = 0; i < n; i += 16) __builtin_prefetch(p + i);
}

}  // namespace

void part_gates(const TensorView& beta, const TensorView& alpha, const TensorView& ba,
                const DeltaShape& shape) noexcept {
  const int n = shape.n_value_heads / shape.n_key_heads;  // value heads of a key head
  for (int64_t r = 0; r < ba.rows; r++) {
    for (int k = 0; k < shape.n_key_heads; k++) {
      const float* const from = ba.row(r) + 2 * n * k;
      std::copy_n(from, n, beta.row(r) + n * k);
      std::copy_n(from + n, n, alpha.row(r) + n * k);
    }
  }
}

void conv_and_gates(Ctx& ctx, const TensorView& u, const TensorView& beta, const TensorView& decay, const TensorView& m,
                    const TensorView& taps, const float* a, const float* dt, const DeltaShape& shape, float eps,
                    std::span<const DeltaRun> runs) noexcept {
  const OpTimer timer(ctx, "conv_and_gates");
  const int key_dim = shape.key_dim, n_channels = static_cast<int>(m.cols), n_rows = static_cast<int>(beta.rows);
  const int block = std::max(1, kChannelBlock / key_dim) * key_dim;  // whole heads of q and k
  const int n_blocks = (n_channels + block - 1) / block, n_conv_tasks = n_blocks * static_cast<int>(runs.size());
  // Gates are short but slow: a few rows at a time, before what else is in the first shares.
  const int n_gate_tasks = (n_rows + kGateRows - 1) / kGateRows;
  ctx.pool.run(n_gate_tasks + n_conv_tasks, [&](int task) {
    if (task < n_gate_tasks) {
      const int first = task * kGateRows, last = std::min(first + kGateRows, n_rows);
      for (int r = first; r < last; r++) gates(beta.row(r), decay.row(r), a, dt, shape.n_value_heads);
      return;
    }
    task -= n_gate_tasks;
    const DeltaRun& run = runs[static_cast<size_t>(task / n_blocks)];
    const int first = task % n_blocks * block, last = std::min(first + block, n_channels);
    conv_run(ctx, u, m, taps, run, first, last - first);
    for (int r = run.first_row; r < run.first_row + run.n_sure + run.n_draft; r++) {
      for (int c = first; c < last && c < shape.v_column(); c += key_dim)
        ctx.kernels.l2_norm(u.row(r) + c, key_dim, eps);
    }
  });
}

void delta_net_q8(Ctx& ctx, const TensorView& o, const TensorView& u, const TensorView& beta, const TensorView& decay,
                  const TensorView& z, const float* w, const DeltaShape& shape, float eps,
                  std::span<const DeltaRun> runs) noexcept {
  const OpTimer timer(ctx, "delta_net_q8");
  ctx.act.source = o.data;
  const int Hv = shape.n_value_heads, Dv = shape.value_dim, n_runs = static_cast<int>(runs.size());
  // As many heads at a time as make a block, if there are enough of them for all threads.
  const int in_block = std::max(1, ctx.act.block(o.cols) / Dv);
  const bool whole_blocks = in_block * Dv % ctx.act.block(o.cols) == 0 && Hv % in_block == 0 &&
                            Hv * n_runs / in_block >= 2 * ctx.pool.n_threads();
  const int at_once = whole_blocks ? in_block : 1, n_parts = Hv / at_once;
  ctx.pool.run(n_parts * n_runs, [&](int task) {
    const DeltaRun& run = runs[static_cast<size_t>(task / n_parts)];
    const int first = task % n_parts * at_once, last_row = run.first_row + run.n_sure + run.n_draft;
    for (int h = first; h < first + at_once; h++) {
      recur(ctx, o, u, beta, decay, shape, run, h);
      record_drafts(u, beta, decay, shape, run, h);
      const int64_t at = static_cast<int64_t>(h) * Dv;
      for (int r = run.first_row; r < last_row; r++) {
        if (r + 2 < last_row) fetch(o.row(r + 2) + at, Dv), fetch(z.row(r + 2) + at, Dv);
        ctx.kernels.gated_rms_norm(o.row(r) + at, o.row(r) + at, w, z.row(r) + at, Dv, eps);
      }
    }
    if (!whole_blocks) return;
    for (int r = run.first_row; r < last_row; r++) {
      quantize_part(ctx, o, r, static_cast<int64_t>(first) * Dv, static_cast<int64_t>(at_once) * Dv);
    }
  });
  if (!whole_blocks) quantize_rows(ctx, o);
}

}  // namespace nextn::ops
