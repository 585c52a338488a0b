#include "model/decoder_config.h"

#include <cmath>

namespace nextn {

namespace {

constexpr int64_t kMaxVocab = 1 << 22;

std::vector<double> rope_frequencies(const Keys& keys, int64_t n_rot) {
  const gguf::File& file = keys.file();
  const double base = file.f32_or(keys.full("rope.freq_base"), 10000.0f);
  if (!(base >= 1 && std::isfinite(base)))
    keys.refuse(ErrorCode::kFile, "rope.freq_base", "expected a number of at least 1, found {}", base);
  const std::string_view scaling = file.string_or(keys.full("rope.scaling.type"), "linear");
  if (scaling != "linear" && scaling != "none") {
    keys.refuse(ErrorCode::kUnsupported, "rope.scaling.type", "expected none or linear, found {}", scaling);
  }
  const float older = file.f32_or(keys.full("rope.scale_linear"), 0);  // files from before rope.scaling
  const double factor = scaling == "none" ? 0 : file.f32_or(keys.full("rope.scaling.factor"), older);
  if (!(factor == 0 || (factor >= 1e-3 && factor <= 1e6))) {
    keys.refuse(ErrorCode::kFile, "rope.scaling.factor", "expected 0 or 0.001 to 1000000, found {}", factor);
  }
  const double scale = factor > 0 ? 1 / factor : 1;
  std::vector<double> freq;
  for (int64_t j = 0; j < n_rot / 2; j++) {
    freq.push_back(scale * std::pow(base, -2.0 * static_cast<double>(j) / static_cast<double>(n_rot)));
  }
  return freq;
}

ops::AttentionShape attention_shape(const Keys& keys, int64_t n_embd) {
  ops::AttentionShape a;
  a.n_heads = static_cast<int>(keys.size("attention.head_count", 1, 1024));
  a.n_kv_heads = static_cast<int>(keys.size_or("attention.head_count_kv", a.n_heads, 1, 1024));
  if (a.n_heads % a.n_kv_heads != 0) {
    keys.refuse(ErrorCode::kFile, "attention.head_count_kv", "expected a divisor of head_count ({}), found {}",
                a.n_heads, a.n_kv_heads);
  }
  if (a.n_heads / a.n_kv_heads > kMaxAttendQueries) {
    keys.refuse(ErrorCode::kUnsupported, "attention.head_count_kv",
                "expected at most {} query heads for each, found {}", kMaxAttendQueries, a.n_heads / a.n_kv_heads);
  }
  a.head_dim = static_cast<int>(keys.size_or("attention.key_length", n_embd / a.n_heads, 32, kMaxHeadDim));
  if (a.head_dim % 32 != 0) {
    keys.refuse(ErrorCode::kUnsupported, "attention.key_length", "expected a multiple of 32, found {}", a.head_dim);
  }
  if (const int64_t v = keys.size_or("attention.value_length", a.head_dim, 1, 1 << 16); v != a.head_dim) {
    keys.refuse(ErrorCode::kUnsupported, "attention.value_length", "expected key_length ({}), found {}", a.head_dim, v);
  }
  const float scale = keys.file().f32_or(keys.full("attention.scale"), 0);
  if (!std::isfinite(scale)) keys.refuse(ErrorCode::kFile, "attention.scale", "expected a number, found {}", scale);
  a.scale = scale != 0 ? scale : 1 / std::sqrt(static_cast<float>(a.head_dim));
  return a;
}

}  // namespace

DecoderConfig DecoderConfig::read(const Keys& keys) {
  const gguf::File& file = keys.file();
  DecoderConfig c;
  const int n_blocks = static_cast<int>(keys.size("block_count", 1, 512));
  c.n_mtp = static_cast<int>(keys.size_or("nextn_predict_layers", 0, 0, 512));
  if (c.n_mtp >= n_blocks) {
    keys.refuse(ErrorCode::kFile, "nextn_predict_layers", "expected fewer than block_count ({}), found {}", n_blocks,
                c.n_mtp);
  }
  if (c.n_mtp > 1) keys.refuse(ErrorCode::kUnsupported, "nextn_predict_layers", "expected 0 or 1, found {}", c.n_mtp);
  c.n_layers = n_blocks - c.n_mtp;
  c.kinds.assign(static_cast<size_t>(c.n_layers), LayerKind::kAttention);
  c.n_ctx_train = keys.size("context_length", 1, 1 << 30);
  c.n_embd = keys.size("embedding_length", 32, 1 << 17);
  c.norm_eps = file.f32(keys.full("attention.layer_norm_rms_epsilon"));
  if (!(c.norm_eps >= 0 && c.norm_eps < 1)) {
    keys.refuse(ErrorCode::kFile, "attention.layer_norm_rms_epsilon", "expected 0 to 1, found {}", c.norm_eps);
  }
  const gguf::TensorInfo* const embd = file.tensor("token_embd.weight");
  c.n_vocab = file.has("tokenizer.ggml.tokens") ? static_cast<int64_t>(file.find("tokenizer.ggml.tokens")->count)
              : embd != nullptr                 ? embd->shape[1]
                                                : 0;
  if (c.n_vocab < 1 || c.n_vocab > kMaxVocab) {
    fail(ErrorCode::kFile, "{}: tokenizer.ggml.tokens: expected 1 to {} tokens, found {}", file.path(), kMaxVocab,
         c.n_vocab);
  }
  c.attention = attention_shape(keys, c.n_embd);
  const int64_t n_rot = keys.size_or("rope.dimension_count", c.attention.head_dim, 2, c.attention.head_dim);
  if (n_rot % 2 != 0) keys.refuse(ErrorCode::kFile, "rope.dimension_count", "expected an even number, found {}", n_rot);
  c.rope_freq = rope_frequencies(keys, n_rot);
  return c;
}

void DecoderConfig::read_experts(const Keys& keys, int64_t n_ff_used) {
  moe.n_embd = n_embd;
  moe.n_experts = static_cast<int>(keys.size("expert_count", 1, ops::kMaxExperts));
  moe.n_used = static_cast<int>(keys.size("expert_used_count", 1, moe.n_experts));
  moe.n_ff = n_ff_used > 0 ? keys.size_or("expert_feed_forward_length", n_ff_used / moe.n_used, 32, 1 << 20)
                           : keys.size("expert_feed_forward_length", 32, 1 << 20);
  for (const char* key : {"expert_group_count", "expert_group_used_count"}) {
    if (const int64_t n = keys.size_or(key, 0, 0, ops::kMaxExperts); n > 1) {
      keys.refuse(ErrorCode::kUnsupported, key, "expected 0 or 1 (experts that are chosen one by one), found {}", n);
    }
  }
}

}  // namespace nextn
