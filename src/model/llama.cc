#include "model/llama.h"

namespace nextn {

void Llama::bind_block(Block& block, int, const std::string& b, WeightRole role) {
  const int64_t D = cfg_.n_embd, F = cfg_.n_ff;
  weights_.vector(block.attn_norm, b + "attn_norm.weight", D, role);
  weights_.vector(block.ffn_norm, b + "ffn_norm.weight", D, role);
  bind_attention(block, b, role, qkv_biases_ ? Presence::kRequired : Presence::kOptional,
                 qk_norms_ ? Presence::kRequired : Presence::kAbsent);
  bind_dense_ffn(block, b, role);
  const auto optional = [&](const float*& field, const char* name, int64_t n) {
    if (weights_.has(b + name)) weights_.vector(field, b + name, n, role);
  };
  optional(block.attn_output_bias, "attn_output.bias", D);
  optional(block.ffn_gate_bias, "ffn_gate.bias", F);
  optional(block.ffn_up_bias, "ffn_up.bias", F);
  optional(block.ffn_down_bias, "ffn_down.bias", D);
}

}  // namespace nextn
