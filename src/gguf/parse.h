// One GGUF file (a whole model, or one part of a split one) from bytes to checked views. Only gguf/ includes this.
#pragma once

#include <cstdint>
#include <vector>

#include "base/mapped_file.h"
#include "gguf/tensor_info.h"
#include "gguf/value.h"

namespace nextn::gguf {

struct Parsed {
  uint32_t version = 0;
  std::vector<Entry> metadata;      // in file order, keys are distinct
  std::vector<TensorInfo> tensors;  // in file order, names are distinct, part is `part`
};

// The views point into the map. Throws Error{kFile} at the first thing that is not as the format demands.
Parsed parse(const MappedFile& map, int part);

}  // namespace nextn::gguf
