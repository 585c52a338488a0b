#include "model/qwen35.h"

#include "ops/matmul.h"

namespace nextn {

void Qwen35::bind_block(Block& block, int il, const std::string& b, WeightRole role) {
  const int64_t D = cfg_.n_embd, Hv = delta_.n_value_heads;
  weights_.vector(block.attn_norm, b + "attn_norm.weight", D, role);
  weights_.vector(block.ffn_norm, b + "post_attention_norm.weight", D, role);
  if (il == cfg_.n_layers || cfg_.kinds[static_cast<size_t>(il)] == LayerKind::kAttention) {
    bind_attention(block, b, role, Presence::kAbsent, Presence::kRequired);
  } else {
    DeltaNet& l = delta_nets_[static_cast<size_t>(il)];
    if (weights_.has(b + "ssm_in.weight")) {
      fail(ErrorCode::kUnsupported, "{}: {}ssm_in.weight: expected attn_qkv and attn_gate, found them in one tensor",
           weights_.path(), b);
    }
    weights_.matrix(l.attn_qkv, b + "attn_qkv.weight", D, delta_.channels(), role);
    weights_.matrix(l.attn_gate, b + "attn_gate.weight", D, delta_.value_width(), role);
    weights_.taps(l.ssm_conv1d, b + "ssm_conv1d.weight", conv_taps_, delta_.channels(), role);
    weights_.vector(l.ssm_dt, b + "ssm_dt.bias", Hv, role);
    weights_.vector(l.ssm_a, b + "ssm_a", Hv, role);
    if (delta_.grouped) {
      weights_.matrix(l.ssm_ba, b + "ssm_ba.weight", D, 2 * Hv, role);
    } else {
      weights_.matrix(l.ssm_beta, b + "ssm_beta.weight", D, Hv, role);
      weights_.matrix(l.ssm_alpha, b + "ssm_alpha.weight", D, Hv, role);
    }
    weights_.vector(l.ssm_norm, b + "ssm_norm.weight", delta_.value_dim, role);
    weights_.matrix(l.ssm_out, b + "ssm_out.weight", delta_.value_width(), D, role);
  }
  if (cfg_.moe.n_experts == 0) return bind_dense_ffn(block, b, role);
  bind_experts(block, b, role);
  weights_.row(block.moe.ffn_gate_inp_shexp, b + "ffn_gate_inp_shexp.weight", D, role);
}

StateShape Qwen35::state_shape() const {
  StateShape s = Decoder::state_shape();
  s.n_key_heads = delta_.n_key_heads;
  s.n_value_heads = delta_.n_value_heads;
  s.key_dim = delta_.key_dim;
  s.value_dim = delta_.value_dim;
  s.conv_channels = delta_.channels();
  s.conv_taps = conv_taps_;
  return s;
}

void Qwen35::add_buffers() {
  add_buffer(mixed_, delta_.channels());
  add_buffer(conv_, delta_.channels());
  add_buffer(z_, delta_.value_width());
  add_buffer(beta_, delta_.n_value_heads);
  add_buffer(decay_, delta_.n_value_heads);
  add_buffer(recalled_, delta_.value_width());
  if (delta_.grouped) add_buffer(ba_, 2 * delta_.n_value_heads);
}

void Qwen35::prepare(int64_t row_limit) {
  Decoder::prepare(row_limit);
  delta_runs_.resize(static_cast<size_t>(row_limit));
}

void Qwen35::mix(Ctx& ctx, int il, std::span<const SequenceRows> sequences, const TensorView& h,
                 const TensorView& x) noexcept {
  if (cfg_.kinds[static_cast<size_t>(il)] == LayerKind::kAttention) return Decoder::mix(ctx, il, sequences, h, x);
  int row = 0;
  size_t n_runs = 0;
  for (const SequenceRows& s : sequences) {
    delta_runs_[n_runs++] = {row, s.n_sure, s.n_draft, s.state->position(), s.state->delta(il), s.state->conv(il)};
    row += s.n_sure + s.n_draft;
  }
  delta_net(ctx, delta_nets_[static_cast<size_t>(il)], {delta_runs_.data(), n_runs}, h, x);
}

// Gated delta net: q, k, v through a short convolution, the delta rule, a norm gated by z; x += ssm_out of that.
void Qwen35::delta_net(Ctx& ctx, const DeltaNet& l, std::span<const ops::DeltaRun> runs, const TensorView& h,
                       const TensorView& x) noexcept {
  const int64_t R = h.rows;
  const TensorView mixed = mixed_.rows(R), u = conv_.rows(R), z = z_.rows(R), beta = beta_.rows(R),
                   decay = decay_.rows(R), o = recalled_.rows(R), y = added(R);
  if (l.ssm_ba) {
    const TensorView ba = ba_.rows(R);
    ops::matmul_q8(ctx, h, {{mixed, l.attn_qkv}, {z, l.attn_gate}, {ba, l.ssm_ba}});
    ops::part_gates(beta, decay, ba, delta_);
  } else {
    ops::matmul_q8(ctx, h, {{mixed, l.attn_qkv}, {z, l.attn_gate}, {beta, l.ssm_beta}, {decay, l.ssm_alpha}});
  }
  ops::conv_and_gates(ctx, u, beta, decay, mixed, l.ssm_conv1d, l.ssm_a, l.ssm_dt, delta_, cfg_.norm_eps, runs);
  ops::delta_net_q8(ctx, o, u, beta, decay, z, l.ssm_norm, delta_, cfg_.norm_eps, runs);
  ops::matmul_q8(ctx, o, {{y, l.ssm_out, x}});
}

}  // namespace nextn
