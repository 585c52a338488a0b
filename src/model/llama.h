// Dense decoders: Llama and its many relatives (llama), Qwen2 and 2.5 (qwen2: biases on queries, keys and values),
// Qwen3 (qwen3: norms of queries and keys). Attention and a gated FFN in every layer.
#pragma once

#include "model/decoder.h"
#include "model/llama_config.h"

namespace nextn {

class Llama final : public Decoder {
 public:
  explicit Llama(const gguf::File& file) : Llama(file, LlamaConfig::read(file)) {}

 private:
  Llama(const gguf::File& file, LlamaConfig config)
      : Decoder(file, std::move(config.decoder)), qkv_biases_(config.qkv_biases), qk_norms_(config.qk_norms) {}

  void bind_block(Block& block, int il, const std::string& b, WeightRole role) override;

  const bool qkv_biases_, qk_norms_;
};

}  // namespace nextn
