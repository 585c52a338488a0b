#include "model/llama_config.h"

#include <cmath>

#include "quant/decode.h"

namespace nextn {

namespace {

// Llama 3.1's long context: each frequency has a divisor of its own.
void divide_by_rope_freqs(const gguf::File& file, std::vector<double>& freq) {
  constexpr const char* kName = "rope_freqs.weight";
  const gguf::TensorInfo* const tensor = file.tensor(kName);
  if (tensor == nullptr) return;
  const int64_t n = static_cast<int64_t>(freq.size());
  if (tensor->shape != decltype(tensor->shape){n, 1, 1, 1} || tensor->type != DType::kF32) {
    fail(ErrorCode::kFile, "{}: {}: expected [{}] of type F32, file has {} of type {}", file.path(), kName, n,
         tensor->shape_text(), dtype_info(tensor->type).name);
  }
  std::vector<float> divisors(freq.size());
  decode_row(tensor->type, tensor->data, n, divisors.data());
  for (size_t i = 0; i < freq.size(); i++) {
    if (!(divisors[i] > 0 && std::isfinite(divisors[i]))) {
      fail(ErrorCode::kFile, "{}: {}: expected numbers above 0, found {}", file.path(), kName, divisors[i]);
    }
    freq[i] /= double{divisors[i]};
  }
}

}  // namespace

LlamaConfig LlamaConfig::read(const gguf::File& file) {
  const Keys keys(file);
  const std::string_view architecture = file.string("general.architecture");
  LlamaConfig c{DecoderConfig::read(keys), architecture == "qwen2", architecture == "qwen3"};
  DecoderConfig& d = c.decoder;
  d.n_ff = keys.size("feed_forward_length", 32, 1 << 20);
  d.rope_neighbours = architecture == "llama";
  if (const int64_t n = keys.size_or("expert_count", 0, 0, 1 << 16); n > 0) {
    keys.refuse(ErrorCode::kUnsupported, "expert_count", "expected 0 (a dense model), found {}", n);
  }
  for (const char* name : {"rope_factors_long.weight", "rope_factors_short.weight"}) {
    if (file.tensor(name) != nullptr) {
      fail(ErrorCode::kUnsupported, "{}: {}: expected none (rope that scales with the context is not read)",
           file.path(), name);
    }
  }
  divide_by_rope_freqs(file, d.rope_freq);
  return c;
}

}  // namespace nextn
