#include "model/qwen35_config.h"

namespace nextn {

namespace {

std::vector<LayerKind> layer_kinds(const Keys& keys, int n_layers, int n_blocks) {
  std::vector<LayerKind> kinds;
  if (keys.has("attention.recurrent_layers")) {
    const std::vector<bool> recurrent =
        keys.file().bool_or_array(keys.full("attention.recurrent_layers"), static_cast<size_t>(n_blocks));
    for (int i = 0; i < n_layers; i++) {
      kinds.push_back(recurrent[static_cast<size_t>(i)] ? LayerKind::kDeltaNet : LayerKind::kAttention);
    }
    return kinds;
  }
  const int64_t interval = keys.size_or("full_attention_interval", 4, 1, 512);
  for (int i = 0; i < n_layers; i++) {
    kinds.push_back((i + 1) % interval == 0 ? LayerKind::kAttention : LayerKind::kDeltaNet);
  }
  return kinds;
}

// Interleaved multi-section rope as it is for text, whose positions are (p, p, p, 0): pair j turns unless its section
// is the fourth one. With the published sections 11, 11, 10, 0 every one of 32 pairs turns.
void stop_fourth_section(const Keys& keys, std::vector<double>& freq) {
  const std::vector<int32_t> sections = keys.file().i32_or_array(keys.full("rope.dimension_sections"), 4);
  int64_t sum = 0;
  for (const int32_t s : sections) {
    if (s < 0) keys.refuse(ErrorCode::kFile, "rope.dimension_sections", "expected no negative section, found {}", s);
    sum += s;
  }
  for (size_t j = 0; j < freq.size() && sum > 0; j++) {
    const int64_t in_cycle = static_cast<int64_t>(j) % sum;
    if (in_cycle >= 3 * int64_t{sections[static_cast<size_t>(in_cycle % 3)]}) freq[j] = 0;
  }
}

}  // namespace

Qwen35Config Qwen35Config::read(const gguf::File& file) {
  const Keys keys(file);
  Qwen35Config c{DecoderConfig::read(keys), {}, 0};
  DecoderConfig& d = c.decoder;
  d.attention.gated = true;
  d.kinds = layer_kinds(keys, d.n_layers, d.n_layers + d.n_mtp);
  const std::string_view architecture = file.string("general.architecture");
  if (architecture != "qwen35") {
    // Files that say feed_forward_length mean the experts of a row together.
    const int64_t F = keys.has("feed_forward_length") ? keys.size("feed_forward_length", 32, 1 << 20) : 0;
    d.read_experts(keys, F);
    d.moe.n_ff_shared = F > 0 ? keys.size_or("expert_shared_feed_forward_length", F, 32, 1 << 20)
                              : keys.size("expert_shared_feed_forward_length", 32, 1 << 20);
    d.moe.gating = ops::Gating::kSoftmax;
    d.moe.normalise = true;
  } else {
    d.n_ff = keys.size("feed_forward_length", 32, 1 << 20);
  }
  if (architecture != "qwen3next") stop_fourth_section(keys, d.rope_freq);

  c.delta.grouped = architecture == "qwen3next";
  c.conv_taps = static_cast<int>(keys.size("ssm.conv_kernel", 1, 8));
  c.delta.key_dim = static_cast<int>(keys.size("ssm.state_size", 16, 256));
  c.delta.n_key_heads = static_cast<int>(keys.size("ssm.group_count", 1, 1024));
  c.delta.n_value_heads = static_cast<int>(keys.size("ssm.time_step_rank", 1, 1024));
  const int64_t inner = keys.size("ssm.inner_size", 1, 1 << 20);
  c.delta.value_dim = c.delta.key_dim;  // the published models' state is square
  if (inner != c.delta.value_width()) {
    keys.refuse(ErrorCode::kFile, "ssm.inner_size", "expected time_step_rank * state_size ({}), found {}",
                c.delta.value_width(), inner);
  }
  if (c.delta.n_value_heads % c.delta.n_key_heads != 0) {
    keys.refuse(ErrorCode::kFile, "ssm.time_step_rank", "expected a multiple of group_count ({}), found {}",
                c.delta.n_key_heads, c.delta.n_value_heads);
  }
  for (const int dim : {16, 32, 48, 64, 96, 128, 192, 256}) {
    if (c.delta.key_dim == dim) return c;
  }
  keys.refuse(ErrorCode::kUnsupported, "ssm.state_size", "expected 16, 32, 48, 64, 96, 128, 192 or 256, found {}",
              c.delta.key_dim);
}

}  // namespace nextn
