#include "base/sincos.h"

#include <gtest/gtest.h>

#include <cmath>

namespace nextn {
namespace {

TEST(SinCos, AgreesWithLibm) {
  double worst = 0;
  for (double x = -20; x < 1e6; x = x * 1.001 + 0.37) {
    const SinCos a = sincos(x);
    worst = std::max({worst, std::abs(a.sin - std::sin(x)), std::abs(a.cos - std::cos(x))});
  }
  EXPECT_LT(worst, 1e-14);
}

}  // namespace
}  // namespace nextn
