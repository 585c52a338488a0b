// The hyper-parameters of a qwen35, qwen35moe (Qwen3.5 / 3.6) or qwen3next file.
#pragma once

#include "model/decoder_config.h"
#include "ops/delta_net.h"

namespace nextn {

struct Qwen35Config {
  DecoderConfig decoder;
  ops::DeltaShape delta;
  int conv_taps;

  // Throws as DecoderConfig::read.
  static Qwen35Config read(const gguf::File& file);
};

}  // namespace nextn
