#include "model/qwen35_config.h"

#include <cmath>

#include "base/error.h"

namespace nextn {

namespace {

constexpr int64_t kMaxVocab = 1 << 22;

// Reads keys of one architecture and checks them against ranges.
class Keys {
 public:
  explicit Keys(const gguf::File& file) : file_(file) {}

  std::string full(const char* key) const { return std::string("qwen35.") + key; }

  int64_t size(const char* key, int64_t low, int64_t high) const {
    return in_range(key, file_.u32(full(key)), low, high);
  }

  int64_t size_or(const char* key, int64_t absent, int64_t low, int64_t high) const {
    return file_.has(full(key)) ? size(key, low, high) : in_range(key, absent, low, high);
  }

  template <class... Args>
  [[noreturn]] void refuse(ErrorCode code, const char* key, fmt::format_string<Args...> format, Args&&... args) const {
    fail(code, "{}: {}: {}", file_.path(), full(key), fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  int64_t in_range(const char* key, int64_t v, int64_t low, int64_t high) const {
    if (v < low || v > high) refuse(ErrorCode::kFile, key, "expected {} to {}, found {}", low, high, v);
    return v;
  }

  const gguf::File& file_;
};

std::vector<LayerKind> layer_kinds(const gguf::File& file, const Keys& keys, int n_layers, int n_blocks) {
  std::vector<LayerKind> kinds;
  if (file.has(keys.full("attention.recurrent_layers"))) {
    const std::vector<bool> recurrent =
        file.bool_or_array(keys.full("attention.recurrent_layers"), static_cast<size_t>(n_blocks));
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
std::vector<double> rope_frequencies(const gguf::File& file, const Keys& keys, int64_t n_rot) {
  const double base = file.f32_or(keys.full("rope.freq_base"), 10000.0f);
  if (!(base >= 1 && std::isfinite(base)))
    keys.refuse(ErrorCode::kFile, "rope.freq_base", "expected a number of at least 1, found {}", base);
  const std::string_view scaling = file.string_or(keys.full("rope.scaling.type"), "linear");
  if (scaling != "linear" && scaling != "none") {
    keys.refuse(ErrorCode::kUnsupported, "rope.scaling.type", "expected none or linear, found {}", scaling);
  }
  const double factor = scaling == "none" ? 0 : file.f32_or(keys.full("rope.scaling.factor"), 0);
  if (!(factor == 0 || (factor >= 1e-3 && factor <= 1e6))) {
    keys.refuse(ErrorCode::kFile, "rope.scaling.factor", "expected 0 or 0.001 to 1000000, found {}", factor);
  }
  const double scale = factor > 0 ? 1 / factor : 1;
  const std::vector<int32_t> sections = file.i32_or_array(keys.full("rope.dimension_sections"), 4);
  int64_t sum = 0;
  for (const int32_t s : sections) {
    if (s < 0) keys.refuse(ErrorCode::kFile, "rope.dimension_sections", "expected no negative section, found {}", s);
    sum += s;
  }
  std::vector<double> freq;
  for (int64_t j = 0; j < n_rot / 2; j++) {
    const int64_t in_cycle = sum == 0 ? 0 : j % sum;
    const bool turns = sum == 0 || in_cycle < 3 * int64_t{sections[static_cast<size_t>(in_cycle % 3)]};
    freq.push_back(turns ? scale * std::pow(base, -2.0 * static_cast<double>(j) / static_cast<double>(n_rot)) : 0);
  }
  return freq;
}

}  // namespace

Qwen35Config Qwen35Config::read(const gguf::File& file) {
  const Keys keys(file);
  Qwen35Config c;
  const int n_blocks = static_cast<int>(keys.size("block_count", 1, 512));
  c.n_mtp = static_cast<int>(keys.size_or("nextn_predict_layers", 0, 0, 512));
  if (c.n_mtp >= n_blocks) {
    keys.refuse(ErrorCode::kFile, "nextn_predict_layers", "expected fewer than block_count ({}), found {}", n_blocks,
                c.n_mtp);
  }
  if (c.n_mtp > 1) keys.refuse(ErrorCode::kUnsupported, "nextn_predict_layers", "expected 0 or 1, found {}", c.n_mtp);
  c.n_layers = n_blocks - c.n_mtp;
  c.n_ctx_train = keys.size("context_length", 1, 1 << 30);
  c.n_embd = keys.size("embedding_length", 32, 1 << 17);
  c.n_ff = keys.size("feed_forward_length", 32, 1 << 20);
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
  c.kinds = layer_kinds(file, keys, c.n_layers, n_blocks);

  c.n_heads = static_cast<int>(keys.size("attention.head_count", 1, 1024));
  c.n_kv_heads = static_cast<int>(keys.size_or("attention.head_count_kv", c.n_heads, 1, 1024));
  if (c.n_heads % c.n_kv_heads != 0) {
    keys.refuse(ErrorCode::kFile, "attention.head_count_kv", "expected a divisor of head_count ({}), found {}",
                c.n_heads, c.n_kv_heads);
  }
  if (c.n_heads / c.n_kv_heads > 32) {
    keys.refuse(ErrorCode::kUnsupported, "attention.head_count_kv",
                "expected at most 32 query heads for each, found {}", c.n_heads / c.n_kv_heads);
  }
  c.head_dim = static_cast<int>(keys.size_or("attention.key_length", c.n_embd / c.n_heads, 32, 512));
  if (c.head_dim % 32 != 0) {
    keys.refuse(ErrorCode::kUnsupported, "attention.key_length", "expected a multiple of 32, found {}", c.head_dim);
  }
  if (const int64_t v = keys.size_or("attention.value_length", c.head_dim, 1, 1 << 16); v != c.head_dim) {
    keys.refuse(ErrorCode::kUnsupported, "attention.value_length", "expected key_length ({}), found {}", c.head_dim, v);
  }
  const float scale = file.f32_or(keys.full("attention.scale"), 0);
  if (!std::isfinite(scale)) keys.refuse(ErrorCode::kFile, "attention.scale", "expected a number, found {}", scale);
  c.attention_scale = scale != 0 ? scale : 1 / std::sqrt(static_cast<float>(c.head_dim));
  const int64_t n_rot = keys.size_or("rope.dimension_count", c.head_dim, 2, c.head_dim);
  if (n_rot % 2 != 0) keys.refuse(ErrorCode::kFile, "rope.dimension_count", "expected an even number, found {}", n_rot);
  c.rope_freq = rope_frequencies(file, keys, n_rot);

  c.conv_taps = static_cast<int>(keys.size("ssm.conv_kernel", 1, 8));
  c.key_dim = static_cast<int>(keys.size("ssm.state_size", 16, 256));
  c.n_key_heads = static_cast<int>(keys.size("ssm.group_count", 1, 1024));
  c.n_value_heads = static_cast<int>(keys.size("ssm.time_step_rank", 1, 1024));
  const int64_t inner = keys.size("ssm.inner_size", 1, 1 << 20);
  c.value_dim = c.key_dim;  // the published models' state is square
  if (inner != c.value_width()) {
    keys.refuse(ErrorCode::kFile, "ssm.inner_size", "expected time_step_rank * state_size ({}), found {}",
                c.value_width(), inner);
  }
  if (c.n_value_heads % c.n_key_heads != 0) {
    keys.refuse(ErrorCode::kFile, "ssm.time_step_rank", "expected a multiple of group_count ({}), found {}",
                c.n_key_heads, c.n_value_heads);
  }
  for (const int dim : {16, 32, 48, 64, 96, 128, 192, 256}) {
    if (c.key_dim == dim) return c;
  }
  keys.refuse(ErrorCode::kUnsupported, "ssm.state_size", "expected 16, 32, 48, 64, 96, 128, 192 or 256, found {}",
              c.key_dim);
}

}  // namespace nextn
