// The hyper-parameters that all architectures have in common.
#pragma once

#include <cstdint>
#include <vector>

#include "model/keys.h"
#include "ops/attention.h"
#include "ops/moe.h"
#include "state/sequence_state.h"

namespace nextn {

struct DecoderConfig {
  int64_t n_vocab, n_embd, n_ctx_train;
  int n_layers;  // of the trunk
  int n_mtp;     // MTP blocks after them: 0 or 1
  float norm_eps;
  std::vector<LayerKind> kinds;  // n_layers; read() says attention for all of them

  ops::AttentionShape attention;
  std::vector<double> rope_freq;  // n_rot / 2: radians per position, 0 for a pair that stands still

  // The architecture's to fill in.
  bool rope_neighbours = false;  // rope turns dimensions (2i, 2i + 1) of a head as a pair, not (i, i + n_rot / 2)
  int64_t n_ff = 0;              // of dense layers
  ops::MoeShape moe;             // of the others

  int64_t attention_width() const noexcept { return int64_t{attention.n_heads} * attention.head_dim; }
  int64_t query_width() const noexcept { return attention.n_heads * attention.query_stride(); }
  int64_t kv_width() const noexcept { return int64_t{attention.n_kv_heads} * attention.head_dim; }

  // Throws Error{kFile} for a key that is missing, mistyped or contradicts another, Error{kUnsupported} for a size that
  // the kernels do not run.
  static DecoderConfig read(const Keys& keys);

  // Fills in what the architectures with experts have in common: their numbers and their width. Where the file does not
  // say the width, it is the used experts' part of n_ff_used, if that is not 0.
  void read_experts(const Keys& keys, int64_t n_ff_used = 0);
};

}  // namespace nextn
