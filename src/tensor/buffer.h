// An owning matrix of floats, sized once: what a step writes into. row_limit rows are there; a step takes as many as it
// has.
#pragma once

#include "base/aligned_buffer.h"
#include "tensor/tensor_view.h"

namespace nextn {

class Buffer {
 public:
  Buffer() = default;
  Buffer(int64_t row_limit, int64_t cols)
      : bytes_(static_cast<size_t>(row_limit * cols) * sizeof(float)), row_limit_(row_limit), cols_(cols) {}

  int64_t row_limit() const noexcept { return row_limit_; }
  size_t size_bytes() const noexcept { return bytes_.size(); }
  TensorView rows(int64_t n) noexcept { return {bytes_.as<float>(), n, cols_}; }

 private:
  AlignedBuffer bytes_;
  int64_t row_limit_ = 0;
  int64_t cols_ = 0;
};

}  // namespace nextn
