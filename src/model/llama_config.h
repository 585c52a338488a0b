// The hyper-parameters of a llama, qwen2 or qwen3 file.
#pragma once

#include "model/decoder_config.h"

namespace nextn {

struct LlamaConfig {
  DecoderConfig decoder;
  bool qkv_biases;  // must be there: qwen2; may be there in the others
  bool qk_norms;    // are there: qwen3

  // Throws as DecoderConfig::read.
  static LlamaConfig read(const gguf::File& file);
};

}  // namespace nextn
