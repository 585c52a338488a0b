// The row-wise ops: each row as its kernel gives it, also for rows that are not packed.
#include "ops/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace nextn {
namespace {

constexpr int kRows = 9, kCols = 100, kStride = 107;

struct Rows {
  explicit Rows(uint32_t seed) : x(kRows * kStride, -1.0f) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0, 1);
    for (int r = 0; r < kRows; r++) {
      for (int c = 0; c < kCols; c++) x[r * kStride + c] = normal(random);
    }
  }
  TensorView view() { return {x.data(), kRows, kCols, kStride}; }

  std::vector<float> x;
};

class ElementwiseOp : public ::testing::Test {
 protected:
  ThreadPool pool_{3};
  Ctx ctx_{select_kernels(nullptr), pool_, ActBuffer()};
  Rows a_{1}, b_{2}, expected_{3}, out_{3};
};

TEST_F(ElementwiseOp, EveryRowIsItsKernels) {
  const TensorView a = a_.view(), b = b_.view(), e = expected_.view(), o = out_.view();
  for (int r = 0; r < kRows; r++) ctx_.kernels.rms_norm(e.row(r), a.row(r), b.row(0), kCols, 1e-6f);
  ops::rms_norm(ctx_, o, a, b.row(0), 1e-6f);
  EXPECT_EQ(out_.x, expected_.x);
  for (int r = 0; r < kRows; r++) ctx_.kernels.add(e.row(r), b.row(r), kCols);
  ops::add(ctx_, o, b);
  EXPECT_EQ(out_.x, expected_.x);
  for (int r = 0; r < kRows; r++) ctx_.kernels.swiglu(e.row(r), a.row(r), b.row(r), kCols);
  ops::swiglu(ctx_, o, a, b);
  EXPECT_EQ(out_.x, expected_.x);
}

TEST_F(ElementwiseOp, ArgMaxOfEachRow) {
  const TensorView a = a_.view();
  for (int r = 0; r < kRows; r++) a.row(r)[11 * r] = 50;
  a.row(4)[kCols - 1] = std::numeric_limits<float>::quiet_NaN();
  a.row(5)[kCols] = 100;  // beside the row
  int64_t index[kRows];
  ops::argmax(ctx_, index, a);
  for (int r = 0; r < kRows; r++) EXPECT_EQ(index[r], r == 4 ? -1 : 11 * r);
}

TEST_F(ElementwiseOp, AnotherOrderOfSquaresIsNoticed) {
  ops::rms_norm(ctx_, expected_.view(), a_.view(), b_.view().row(0), 1e-6f);
  ctx_.fault = Fault::kOrder;
  ops::rms_norm(ctx_, out_.view(), a_.view(), b_.view().row(0), 1e-6f);
  EXPECT_NE(out_.x, expected_.x);
}

}  // namespace
}  // namespace nextn
