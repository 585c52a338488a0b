// The hyper-parameters of a glm4moe file (GLM-4.5, Air, 4.6).
#pragma once

#include "model/decoder_config.h"

namespace nextn {

struct Glm4MoeConfig {
  DecoderConfig decoder;
  int n_leading_dense;  // layers, counted from the first

  // Throws as DecoderConfig::read.
  static Glm4MoeConfig read(const gguf::File& file);
};

}  // namespace nextn
