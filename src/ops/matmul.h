// y = x W^T for the weights that read the same rows.
#pragma once

#include <initializer_list>
#include <span>

#include "ops/ctx.h"
#include "ops/weight.h"
#include "tensor/tensor_view.h"

namespace nextn::ops {

struct Product {
  TensorView y;         // (R, w.n_out)
  const Weight& w;      // (w.n_out, w.k)
  TensorView sum = {};  // where set: sum += y
  TensorView max = {};  // where set: the largest of every kMaxBlock outputs in turn, NaN where one of them is NaN
};

constexpr int64_t kMaxBlock = 1024;

// For each product: y = x w^T, x (R, K). x is quantised once for all of them, and a thread has the same part of
// each. Row r of y depends on row r of x alone, bit for bit, whatever R and the number of threads are (D1).
void matmul(Ctx& ctx, const TensorView& x, std::initializer_list<Product> products) noexcept;

// The same for rows that the op before has quantised: one whose name ends in _q8, with x as its result.
void matmul_q8(Ctx& ctx, const TensorView& x, std::initializer_list<Product> products) noexcept;

// y (n, 16) = the outputs of these tiles of w for the one row of x, the same bits that matmul gives; -infinity where
// the last tile has no row.
void matmul_tiles(Ctx& ctx, float* y, const TensorView& x, const Weight& w, std::span<const int32_t> tiles) noexcept;

// x (R, D) = the table's rows of these token ids, which the caller has checked to lie in [0, V).
void embed(Ctx& ctx, const TensorView& x, const EmbeddingTable& table, const int32_t* tokens) noexcept;

}  // namespace nextn::ops
