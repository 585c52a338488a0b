// A matrix of floats that somebody else owns: activations, logits, vectors of weights.
#pragma once

#include <cstdint>

namespace nextn {

struct TensorView {
  float* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;  // floats from one row to the next

  TensorView() = default;
  TensorView(float* data, int64_t rows, int64_t cols) : data(data), rows(rows), cols(cols), stride(cols) {}
  TensorView(float* data, int64_t rows, int64_t cols, int64_t stride)
      : data(data), rows(rows), cols(cols), stride(stride) {}

  float* row(int64_t r) const noexcept { return data + r * stride; }
  // Rows [first, first + n).
  TensorView rows_from(int64_t first, int64_t n) const noexcept { return {row(first), n, cols, stride}; }
  // Columns [first, first + n) of every row.
  TensorView columns(int64_t first, int64_t n) const noexcept { return {data + first, rows, n, stride}; }
};

}  // namespace nextn
