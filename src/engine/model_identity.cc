#include "engine/model_identity.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "engine/digest.h"

namespace nextn {

namespace {

constexpr uint64_t kSample = 4096;  // bytes of each tensor

void add_number(Digest& digest, uint64_t n) {
  digest.add(&n, sizeof n);
}

void add_text(Digest& digest, std::string_view text) {
  add_number(digest, text.size());
  digest.add(text.data(), text.size());
}

}  // namespace

std::string model_identity(const gguf::File& file) {
  Digest digest;
  add_number(digest, file.n_bytes());
  for (const gguf::Entry& entry : file.metadata()) {
    const gguf::Value& value = entry.value;
    add_text(digest, entry.key);
    add_number(digest, static_cast<uint64_t>(value.type) << 32 | static_cast<uint64_t>(value.element));
    add_number(digest, value.count);
    digest.add(value.data.data(), value.data.size());
    for (const std::string_view text : value.text) add_text(digest, text);
  }
  std::vector<uint8_t> sample(kSample);
  for (const gguf::TensorInfo& tensor : file.tensors()) {
    add_text(digest, tensor.name);
    add_number(digest, static_cast<uint64_t>(tensor.type));
    digest.add(tensor.shape.data(), sizeof tensor.shape);
    const size_t n = std::min(kSample, tensor.n_bytes);
    if (!file.read(tensor, 0, n, sample.data())) {
      fail(ErrorCode::kSystem, "{}: {}: expected {} bytes to read, found fewer", file.path(tensor.part), tensor.name,
           n);
    }
    digest.add(sample.data(), n);
  }
  return fmt::format("{:016x}", digest.value());
}

}  // namespace nextn
