// The hyper-parameters of a qwen35 file (Qwen3.5 / 3.6 dense hybrids).
#pragma once

#include <cstdint>
#include <vector>

#include "gguf/file.h"
#include "state/sequence_state.h"

namespace nextn {

struct Qwen35Config {
  int64_t n_vocab, n_embd, n_ff, n_ctx_train;
  int n_layers;  // of the trunk
  int n_mtp;     // MTP blocks after them: 0 or 1
  float norm_eps;
  std::vector<LayerKind> kinds;  // n_layers

  // Gated attention.
  int n_heads, n_kv_heads, head_dim;
  float attention_scale;
  std::vector<double> rope_freq;  // n_rot / 2: radians per position, 0 for a pair that stands still

  // Gated delta net.
  int n_key_heads, n_value_heads, key_dim, value_dim, conv_taps;

  int64_t key_width() const noexcept { return static_cast<int64_t>(n_key_heads) * key_dim; }
  int64_t value_width() const noexcept { return static_cast<int64_t>(n_value_heads) * value_dim; }
  int64_t conv_channels() const noexcept { return 2 * key_width() + value_width(); }
  int64_t attention_width() const noexcept { return static_cast<int64_t>(n_heads) * head_dim; }

  // Throws Error{kFile} for a key that is missing, mistyped or contradicts another, Error{kUnsupported} for a size that
  // the kernels do not run.
  static Qwen35Config read(const gguf::File& file);
};

}  // namespace nextn
