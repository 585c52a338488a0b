#include "ops/delta_net.h"

#include <algorithm>
#include <cstring>

#include "base/fmath.h"
#include "ops/profile.h"

namespace nextn::ops {

namespace {

constexpr int kMaxTaps = 8;         // checked when a model is loaded
constexpr int kChannelBlock = 512;  // channels of one task
constexpr int kStateRowBlock = 32;  // state rows of one task

float softplus(float x) noexcept {
  return x > 20 ? x : static_cast<float>(log_f64(1.0 + exp_f32(x)));
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

// The draft rows of a run as the next step will replay them: what was consumed is what is stored.
void record_drafts(const TensorView& u, const TensorView& beta, const TensorView& decay, const DeltaShape& shape,
                   const DeltaRun& run) noexcept {
  const int64_t n_kv = u.cols - shape.k_column();
  for (int i = 0; i < run.n_draft; i++) {
    const int r = run.first_row + run.n_sure + i;
    float* const record = run.delta.fresh + i * run.delta.record_stride;
    std::memcpy(record, u.row(r) + shape.k_column(), static_cast<size_t>(n_kv) * sizeof(float));
    std::memcpy(record + n_kv, beta.row(r), static_cast<size_t>(shape.n_value_heads) * sizeof(float));
    std::memcpy(record + n_kv + shape.n_value_heads, decay.row(r),
                static_cast<size_t>(shape.n_value_heads) * sizeof(float));
  }
}

}  // namespace

void conv1d(Ctx& ctx, const TensorView& u, const TensorView& m, const TensorView& taps,
            std::span<const DeltaRun> runs) noexcept {
  const OpTimer timer(ctx, "conv1d");
  const int n_channels = static_cast<int>(m.cols), n_blocks = (n_channels + kChannelBlock - 1) / kChannelBlock;
  ctx.pool.run(n_blocks * static_cast<int>(runs.size()), [&](int task) {
    const int first = task % n_blocks * kChannelBlock;
    conv_run(ctx, u, m, taps, runs[static_cast<size_t>(task / n_blocks)], first,
             std::min(kChannelBlock, n_channels - first));
  });
}

void l2_norm_qk(Ctx& ctx, const TensorView& u, const DeltaShape& shape, float eps) noexcept {
  const OpTimer timer(ctx, "l2_norm_qk");
  ctx.pool.run(static_cast<int>(u.rows), [&](int r) {
    for (int h = 0; h < 2 * shape.n_key_heads; h++)
      ctx.kernels.l2_norm(u.row(r) + h * shape.key_dim, shape.key_dim, eps);
  });
}

void delta_gates(Ctx& ctx, const TensorView& beta, const TensorView& decay, const float* a, const float* dt) noexcept {
  const OpTimer timer(ctx, "delta_gates");
  ctx.pool.run(static_cast<int>(beta.rows), [&](int r) {
    for (int64_t h = 0; h < beta.cols; h++) {
      beta.row(r)[h] = 1 / (1 + exp_f32(-beta.row(r)[h]));
      decay.row(r)[h] = exp_f32(a[h] * softplus(decay.row(r)[h] + dt[h]));
    }
  });
}

void delta_net(Ctx& ctx, const TensorView& o, const TensorView& u, const TensorView& beta, const TensorView& decay,
               const DeltaShape& shape, std::span<const DeltaRun> runs) noexcept {
  const OpTimer timer(ctx, "delta_net");
  const int n_blocks = (shape.value_dim + kStateRowBlock - 1) / kStateRowBlock;
  const int n_run_tasks = shape.n_value_heads * n_blocks;
  const float scale = 1 / __builtin_sqrtf(static_cast<float>(shape.value_dim));
  ctx.pool.run(n_run_tasks * static_cast<int>(runs.size()), [&](int task) {
    const DeltaRun& run = runs[static_cast<size_t>(task / n_run_tasks)];
    const int h = task % n_run_tasks / n_blocks, first = task % n_blocks * kStateRowBlock;
    const int key_head = h % shape.n_key_heads;
    const int64_t k_at = static_cast<int64_t>(key_head) * shape.key_dim,
                  v_at = static_cast<int64_t>(h) * shape.value_dim;
    const DeltaView& delta = run.delta;
    const int64_t record_kv = u.cols - shape.k_column();

    DeltaArgs args;
    args.state = delta.state + static_cast<int64_t>(h) * shape.value_dim * shape.key_dim;
    args.dk = shape.key_dim;
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
    args.n_sure = run.n_sure;
    args.o = o.row(run.first_row) + v_at;
    args.o_stride = o.stride;
    args.scale = scale;
    ctx.kernels.delta_rows(args, first, std::min(first + kStateRowBlock, shape.value_dim));
  });
  for (const DeltaRun& run : runs) record_drafts(u, beta, decay, shape, run);
}

void gated_norm(Ctx& ctx, const TensorView& o, const TensorView& z, const float* w, int head_dim, float eps) noexcept {
  const OpTimer timer(ctx, "gated_norm");
  ctx.pool.run(static_cast<int>(o.rows), [&](int r) {
    for (int64_t at = 0; at < o.cols; at += head_dim) {
      float* const head = o.row(r) + at;
      ctx.kernels.gated_rms_norm(head, head, w, z.row(r) + at, head_dim, eps);
    }
  });
}

}  // namespace nextn::ops
