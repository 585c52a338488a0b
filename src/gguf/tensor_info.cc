#include "gguf/tensor_info.h"

#include <fmt/core.h>

namespace nextn::gguf {

std::string TensorInfo::shape_text() const {
  std::string text = "[";
  for (int i = 0; i < n_dims; i++) text += fmt::format("{}{}", i == 0 ? "" : ", ", shape[static_cast<size_t>(i)]);
  return text + "]";
}

}  // namespace nextn::gguf
