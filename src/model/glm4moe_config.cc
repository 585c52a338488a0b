#include "model/glm4moe_config.h"

#include <cmath>

namespace nextn {

namespace {

ops::Gating gating(const Keys& keys) {
  switch (const uint32_t n = keys.file().u32_or(keys.full("expert_gating_func"), 0); n) {
    case 0:  // files from before the key
      return ops::Gating::kSigmoid;
    case 1:
    case 2:
    case 3:
      return static_cast<ops::Gating>(n);
    default:
      keys.refuse(ErrorCode::kUnsupported, "expert_gating_func",
                  "expected 1 (softmax), 2 (sigmoid) or 3 (softmax of the chosen), found {}", n);
  }
}

}  // namespace

// The vision models' rope.dimension_sections deal a token's three positions out to the pairs; text has the same one on
// all of them, so the sections say nothing here.
Glm4MoeConfig Glm4MoeConfig::read(const gguf::File& file) {
  const Keys keys(file);
  Glm4MoeConfig c{DecoderConfig::read(keys), 0};
  DecoderConfig& d = c.decoder;
  d.read_experts(keys);
  d.moe.n_ff_shared = keys.size("expert_shared_count", 0, 64) * d.moe.n_ff;
  d.moe.gating = gating(keys);
  d.moe.normalise = file.bool_or(keys.full("expert_weights_norm"), false);
  if (const float scale = file.f32_or(keys.full("expert_weights_scale"), 0); scale != 0) d.moe.scale = scale;
  if (!std::isfinite(d.moe.scale)) {
    keys.refuse(ErrorCode::kFile, "expert_weights_scale", "expected a number, found {}", d.moe.scale);
  }
  c.n_leading_dense = static_cast<int>(keys.size_or("leading_dense_block_count", 0, 0, d.n_layers));
  if (c.n_leading_dense > 0) d.n_ff = keys.size("feed_forward_length", 32, 1 << 20);
  return c;
}

}  // namespace nextn
