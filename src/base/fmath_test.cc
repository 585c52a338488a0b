// base/fmath.h against libm, and the promise that its bits do not depend on how a loop is compiled.
#include "base/fmath.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/fp16.h"

namespace nextn {
namespace {

TEST(Fmath, ExpIsCloseToLibm) {
  double worst = 0;
  for (int i = -860'000; i <= 880'000; i++) {
    const float x = i * 1e-4f;
    const double exact = std::exp(static_cast<double>(x));
    worst = std::max(worst, std::abs(exp_f32(x) - exact) / exact);
  }
  EXPECT_LT(worst, 3e-7);
}

TEST(Fmath, ExpAtItsLimits) {
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(exp_f32(0.0f), 1.0f);
  EXPECT_EQ(exp_f32(-0.0f), 1.0f);
  EXPECT_GT(exp_f32(-86.5f), 0.0f);
  for (const float x : {-86.6f, -88.0f, -100.0f, -1e4f, -1e30f, -inf}) EXPECT_EQ(exp_f32(x), 0.0f) << x;
  EXPECT_LT(exp_f32(88.72f), inf);
  for (const float x : {88.73f, 88.8f, 89.0f, 89.5f, 90.0f, 128.0f, 1e4f, 1e30f, inf}) EXPECT_EQ(exp_f32(x), inf) << x;
  EXPECT_TRUE(std::isnan(exp_f32(std::numeric_limits<float>::quiet_NaN())));
}

__attribute__((noinline)) void exp_all(float* y, const float* x, int n) {
  for (int i = 0; i < n; i++) y[i] = exp_f32(x[i]);
}

TEST(Fmath, ExpHasTheSameBitsInBodyAndTail) {
  std::vector<float> x(1000), whole(1000), single(1000);
  for (int i = 0; i < 1000; i++) x[i] = std::sin(i * 1.7f) * 90;
  exp_all(whole.data(), x.data(), 1000);
  for (int i = 0; i < 1000; i++) {
    exp_all(&single[i], &x[i], 1);
    ASSERT_EQ(bits_of_float(whole[i]), bits_of_float(single[i])) << x[i];
  }
}

TEST(Fmath, LogIsCloseToLibm) {
  double worst = 0;
  const auto look = [&](double x) {
    const double exact = std::log(x);
    if (exact != 0) worst = std::max(worst, std::abs((log_f64(x) - exact) / exact));
  };
  for (int i = 1; i < 400'000; i++) look(i * 1e-5);
  for (int e = -1074; e < 1024; e++) look(std::ldexp(1.0, e)), look(std::ldexp(1.37, e));
  for (int e = 1; e < 53; e++) look(1 - std::ldexp(1.0, -e)), look(1 + std::ldexp(1.0, -e));
  EXPECT_LT(worst, 1e-14);
}

TEST(Fmath, LogAtItsLimits) {
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(log_f64(1.0), 0.0);
  EXPECT_EQ(log_f64(0.0), -inf);
  EXPECT_EQ(log_f64(inf), inf);
  EXPECT_TRUE(std::isnan(log_f64(-1.0)));
  EXPECT_TRUE(std::isnan(log_f64(std::numeric_limits<double>::quiet_NaN())));
}

}  // namespace
}  // namespace nextn
