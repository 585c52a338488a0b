#include "model/glm4moe.h"

namespace nextn {

void Glm4Moe::bind_block(Block& block, int il, const std::string& b, WeightRole role) {
  weights_.vector(block.attn_norm, b + "attn_norm.weight", cfg_.n_embd, role);
  weights_.vector(block.ffn_norm, b + "post_attention_norm.weight", cfg_.n_embd, role);
  bind_attention(block, b, role, Presence::kOptional, Presence::kOptional);
  if (il < n_leading_dense_) return bind_dense_ffn(block, b, role);
  bind_experts(block, b, role);
  weights_.vector(block.moe.exp_probs_b, b + "exp_probs_b.bias", cfg_.moe.n_experts, role);
}

}  // namespace nextn
