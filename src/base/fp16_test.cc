#include "base/fp16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace nextn {
namespace {

// The value of a half by its definition.
double value_of(uint16_t h) {
  const int exponent = h >> 10 & 31, mantissa = h & 1023;
  const double magnitude = exponent == 0    ? std::ldexp(mantissa, -24)
                           : exponent == 31 ? (mantissa == 0 ? std::numeric_limits<double>::infinity() : NAN)
                                            : std::ldexp(1024 + mantissa, exponent - 25);
  return h & 0x8000 ? -magnitude : magnitude;
}

TEST(Fp16, EveryHalfIsReadByItsDefinitionAndComesBack) {
  for (uint32_t i = 0; i < 65536; i++) {
    const auto h = static_cast<uint16_t>(i);
    const float f = f16_to_f32(h);
    if (std::isnan(value_of(h))) {
      ASSERT_TRUE(std::isnan(f)) << i;
      ASSERT_EQ(f32_to_f16(f), h | 0x200) << i;  // quiet, sign and payload kept
      continue;
    }
    ASSERT_EQ(static_cast<double>(f), value_of(h)) << i;
    ASSERT_EQ(std::signbit(f), (h & 0x8000) != 0) << i;
    ASSERT_EQ(f32_to_f16(f), h) << i;
  }
}

// Between two neighbouring halves: below the middle to the lower, above it to the upper, the middle to the even one.
// 65520, the middle between the largest half and where the next would be, goes to infinity.
TEST(Fp16, RoundsToNearestEven) {
  for (uint32_t i = 0; i < 0x7c00; i++) {
    const auto low = static_cast<uint16_t>(i), high = static_cast<uint16_t>(i + 1);
    const double a = value_of(low), b = high == 0x7c00 ? 65536 : value_of(high);
    const auto middle = static_cast<float>((a + b) / 2);  // exact in a float
    const float before = std::nextafter(middle, 0.0f), after = std::nextafter(middle, 1e30f);
    ASSERT_EQ(f32_to_f16(middle), i % 2 == 0 ? low : high) << i;
    ASSERT_EQ(f32_to_f16(before), low) << i;
    ASSERT_EQ(f32_to_f16(after), high) << i;
    ASSERT_EQ(f32_to_f16(-middle), 0x8000 | (i % 2 == 0 ? low : high)) << i;
    ASSERT_EQ(f32_to_f16(-before), 0x8000 | low) << i;
    ASSERT_EQ(f32_to_f16(-after), 0x8000 | high) << i;
  }
}

TEST(Fp16, BeyondTheRange) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(f32_to_f16(65504), 0x7bff);
  EXPECT_EQ(f32_to_f16(65519.996f), 0x7bff);
  for (const float x : {65520.0f, 65536.0f, 1e10f, 3.4e38f, infinity}) {
    EXPECT_EQ(f32_to_f16(x), 0x7c00) << x;
    EXPECT_EQ(f32_to_f16(-x), 0xfc00) << x;
  }
  for (const float x : {0.0f, 1e-45f, 1e-38f, 0x1p-25f}) {
    EXPECT_EQ(f32_to_f16(x), 0) << x;
    EXPECT_EQ(f32_to_f16(-x), 0x8000) << x;
  }
  EXPECT_EQ(f32_to_f16(std::nextafter(0x1p-25f, 1.0f)), 1);
  // NaN: quiet, the upper ten bits of the payload kept, as VCVTPS2PH does; never an infinity.
  EXPECT_EQ(f32_to_f16(float_from_bits(0x7fc00000)), 0x7e00);
  EXPECT_EQ(f32_to_f16(float_from_bits(0xffc00000)), 0xfe00);
  EXPECT_EQ(f32_to_f16(float_from_bits(0x7f800001)), 0x7e00);
  EXPECT_EQ(f32_to_f16(float_from_bits(0x7fffffff)), 0x7fff);
  EXPECT_EQ(f32_to_f16(float_from_bits(0xff802000)), 0xfe01);
}

TEST(Fp16, Bf16IsTheUpperHalfOfAFloat) {
  for (uint32_t i = 0; i < 65536; i++) {
    ASSERT_EQ(bits_of_float(bf16_to_f32(static_cast<uint16_t>(i))), i << 16) << i;
  }
}

}  // namespace
}  // namespace nextn
