// The row-wise ops: each row as its kernel gives it, also for rows that are not packed.
#include "ops/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
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

constexpr int64_t kWide = 4000;

class ElementwiseOp : public ::testing::Test {
 protected:
  // Whether the activation buffer holds the rows of x.
  ::testing::AssertionResult holds(const TensorView& x) {
    std::vector<int8_t> q(static_cast<size_t>(x.cols));
    std::vector<float> scale(static_cast<size_t>(x.cols / kActBlock));
    std::vector<int16_t> sum(static_cast<size_t>(x.cols / 16));
    if (ctx_.act.source != x.data) return ::testing::AssertionFailure() << "the rows of something else";
    for (int64_t r = 0; r < x.rows; r++) {
      ctx_.kernels.quantize(x.row(r), x.cols, ctx_.act.block(x.cols), q.data(), scale.data(), sum.data());
      if (std::memcmp(q.data(), ctx_.act.q(r, x.cols), q.size()) != 0 ||
          std::memcmp(scale.data(), ctx_.act.scale(r, x.cols), scale.size() * sizeof(float)) != 0 ||
          std::memcmp(sum.data(), ctx_.act.sum(r, x.cols), sum.size() * sizeof(int16_t)) != 0) {
        return ::testing::AssertionFailure() << "row " << r;
      }
    }
    return ::testing::AssertionSuccess();
  }

  ThreadPool pool_{3};
  Ctx ctx_{select_kernels(nullptr), pool_, ActBuffer(kRows, kWide)};
  Rows a_{1}, b_{2}, expected_{3}, out_{3};
};

TEST_F(ElementwiseOp, EveryRowIsItsKernels) {
  const TensorView a = a_.view(), b = b_.view(), e = expected_.view(), o = out_.view();
  for (int r = 0; r < kRows; r++) ctx_.kernels.rms_norm(e.row(r), a.row(r), b.row(0), kCols, 1e-6f);
  ops::rms_norm(ctx_, o, a, b.row(0), 1e-6f);
  EXPECT_EQ(out_.x, expected_.x);
}

// The fused ops against their definition in single kernels, for widths that are cut into parts and such that are not.
TEST_F(ElementwiseOp, FusedOpsAreTheirParts) {
  for (const int64_t n : {int64_t{32}, int64_t{1568}, kWide}) {
    for (const int64_t n_rows : {1, 2, kRows}) {
      std::mt19937 random(7);
      std::normal_distribution<float> normal(0, 1);
      std::vector<float> x(static_cast<size_t>(n_rows * n)), y = x, w(static_cast<size_t>(n)), out = x, expected = x;
      for (std::vector<float>* v : {&x, &y, &w}) {
        for (float& value : *v) value = normal(random);
      }
      const auto view = [&](std::vector<float>& v) { return TensorView(v.data(), n_rows, n); };
      for (int64_t r = 0; r < n_rows; r++) {
        ctx_.kernels.rms_norm(&expected[r * n], &x[r * n], w.data(), static_cast<int>(n), 1e-6f);
      }
      ops::rms_norm_q8(ctx_, view(out), view(x), w.data(), 1e-6f);
      EXPECT_EQ(out, expected);
      EXPECT_TRUE(holds(view(out))) << n_rows << " rows of " << n;

      for (int64_t r = 0; r < n_rows; r++) {
        ctx_.kernels.swiglu(&expected[r * n], &x[r * n], &y[r * n], static_cast<int>(n));
      }
      ops::swiglu_q8(ctx_, view(x), view(x), view(y));
      EXPECT_EQ(x, expected);
      EXPECT_TRUE(holds(view(x))) << n_rows << " rows of " << n;
    }
  }
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

TEST_F(ElementwiseOp, BiasIsAddedToEachRow) {
  Rows x(6);
  const std::vector<float> before = x.x;
  std::vector<float> bias(kCols);
  for (int c = 0; c < kCols; c++) bias[static_cast<size_t>(c)] = static_cast<float>(c) - 30.5f;
  ops::add_bias(ctx_, x.view(), bias.data());
  for (int i = 0; i < kRows * kStride; i++) {
    const int c = i % kStride;
    EXPECT_EQ(x.x[i], c < kCols ? before[i] + bias[static_cast<size_t>(c)] : -1.0f);
  }
}

}  // namespace
}  // namespace nextn
