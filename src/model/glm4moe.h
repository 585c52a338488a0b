// GLM-4.5, Air and 4.6: attention layers with biases and half of each head rotated, the first few with a dense FFN, the
// others with experts, and the MTP head behind them.
#pragma once

#include "model/decoder.h"
#include "model/glm4moe_config.h"

namespace nextn {

class Glm4Moe final : public Decoder {
 public:
  explicit Glm4Moe(const gguf::File& file) : Glm4Moe(file, Glm4MoeConfig::read(file)) {}

 private:
  Glm4Moe(const gguf::File& file, Glm4MoeConfig config)
      : Decoder(file, std::move(config.decoder)), n_leading_dense_(config.n_leading_dense) {}

  void bind_block(Block& block, int il, const std::string& b, WeightRole role) override;

  const int n_leading_dense_;
};

}  // namespace nextn
