// The sketch of a matrix: the signs of its weights and one scale a row, an eighth of a byte for each weight. It says
// roughly which rows have a large product with a vector, at the price of reading 1 bit a weight; which one has the
// largest is for the matrix itself to say.
//
//   w_rj - mean_j ~ scale_r size_j sign_rj        mean_j, size_j: of column j
//   w_r . x  ~  constant + scale_r sum_j sign_rj (size_j x_j)
//
// The mean of a column adds the same to every row, so it is left out of the order of rows.
//
// A sketch tile is 64 rows, four tiles of pack.h. Byte j of a row has the signs of inputs 8j .. 8j + 7, bit i set where
// that of input 8j + i is positive. The 64 bytes j of a tile's rows stand side by side.
#pragma once

#include <cstdint>

namespace nextn {

constexpr int kSketchRows = 64;
constexpr int kSketchBlock = 64;    // inputs that share a scale of the query
constexpr int kSketchInputs = 128;  // the number of inputs is a multiple of this: kernels take two blocks at a time
constexpr int kSketchLimit = 7;     // largest quant of the query: sums of 16 quants stay in 8 bits

// Where row r of a tile has its scale: the order in which sums come out after kernels have widened them twice.
constexpr int sketch_place(int r) {
  return r / 32 * 32 + r % 2 * 16 + r / 8 % 2 * 8 + r / 16 % 2 * 4 + r / 2 % 4;
}

// A vector as the kernels read it. For each group of four inputs a table of 16 sums, index bit i set: + quant i, clear:
// - quant i, each plus 4 kSketchLimit to be unsigned; for each block of 64 inputs a scale.
struct SketchQuery {
  const uint8_t* tables;  // (k / 4, 16)
  const int16_t* scales;  // (k / 64), not negative
  int32_t bias;           // what the offsets of the tables have added to every row's sum
};

// Quantises size_j x_j. `tables` and `scales` are room for what the query points to; k is a multiple of kSketchInputs.
// No sum over a row leaves 32 bits. False where x is not finite.
bool make_sketch_query(const float* x, const float* size, int64_t k, uint8_t* tables, int16_t* scales,
                       SketchQuery* query) noexcept;

}  // namespace nextn
