// Where a tensor of a GGUF file is and what it is made of.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "tensor/dtype.h"

namespace nextn::gguf {

struct TensorInfo {
  std::string_view name;
  std::array<int64_t, 4> shape = {1, 1, 1, 1};  // shape[0] is the fastest axis; missing dimensions are 1
  int n_dims = 0;                               // as the file says, 0..4
  DType type = DType::kF32;
  const uint8_t* data = nullptr;  // n_bytes of them; aligned as general.alignment says, which may be 1
  uint64_t n_bytes = 0;
  int part = 0;              // which file of a split model, from 0
  uint64_t file_offset = 0;  // of the data, in that file

  // "[512, 2048, 256]", fastest axis first.
  std::string shape_text() const;
};

}  // namespace nextn::gguf
