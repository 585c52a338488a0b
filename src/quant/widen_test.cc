#include "quant/widen.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "base/error.h"
#include "base/fp16.h"
#include "quant/decode.h"

namespace nextn {
namespace {

constexpr int64_t kValues = 256 * 40;

size_t row_bytes(DType type, int64_t n) {
  const DTypeInfo& info = dtype_info(type);
  return static_cast<size_t>(n / info.block_values * info.block_bytes);
}

// Any bytes at all: the scales may be infinite or NaN.
std::vector<uint8_t> random_row(DType type, int64_t n, uint32_t seed) {
  std::mt19937 rng(seed);
  std::vector<uint8_t> row(row_bytes(type, n));
  for (uint8_t& b : row) b = static_cast<uint8_t>(rng());
  return row;
}

std::vector<float> decoded(DType type, const std::vector<uint8_t>& row, int64_t n) {
  std::vector<float> values(static_cast<size_t>(n));
  decode_row(type, row.data(), n, values.data());
  return values;
}

void expect_same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); i++) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    ASSERT_EQ(bits_of_float(a[i]), bits_of_float(b[i])) << "value " << i << ": " << a[i] << " and " << b[i];
  }
}

TEST(Widen, KeepsEveryValueBitForBit) {
  for (const DType from : {DType::kQ5_0, DType::kIQ4_NL, DType::kQ3_K}) {
    SCOPED_TRACE(dtype_info(from).name);
    const DType to = *exact_wider(from);
    const auto row = random_row(from, kValues, 7);
    std::vector<uint8_t> wide(row_bytes(to, kValues));
    widen_row(from, to, row.data(), kValues, wide.data());
    expect_same_bits(decoded(to, wide, kValues), decoded(from, row, kValues));
  }
}

TEST(Widen, OnlyTheseHaveAnExactWiderType) {
  int widened = 0;
  for (uint32_t id = 0; id < 64; id++) {
    if (const auto type = dtype_from_id(id)) widened += exact_wider(*type).has_value();
  }
  EXPECT_EQ(widened, 3);
  EXPECT_EQ(exact_wider(DType::kQ5_0), DType::kQ8_0);
  EXPECT_EQ(exact_wider(DType::kIQ4_NL), DType::kQ8_0);
  EXPECT_EQ(exact_wider(DType::kQ3_K), DType::kQ6_K);
}

TEST(RuntimeType, OfEveryFileType) {
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_K,
                           DType::kQ5_K, DType::kQ6_K, DType::kIQ4_XS}) {
    EXPECT_EQ(runtime_type(type), type);
  }
  for (const DType type : {DType::kQ5_0, DType::kIQ4_NL}) EXPECT_EQ(runtime_type(type), DType::kQ8_0);
  EXPECT_EQ(runtime_type(DType::kQ3_K), DType::kQ6_K);
  for (const DType type : {DType::kQ4_1, DType::kQ5_1, DType::kQ2_K}) {
    EXPECT_EQ(runtime_type(type), DType::kF16);
  }
}

TEST(RuntimeType, RefusesTheRest) {
  for (uint32_t id = 0; id < 64; id++) {
    const auto type = dtype_from_id(id);
    if (!type || can_decode(*type)) continue;
    EXPECT_THROW(runtime_type(*type), Error) << dtype_info(*type).name;
  }
  try {
    runtime_type(DType::kIQ2_XS);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUnsupported);
    EXPECT_STREQ(e.what(), "expected a type that nextn computes in, found IQ2_XS");
  }
}

TEST(Convert, ToItselfCopies) {
  const auto row = random_row(DType::kQ4_K, kValues, 1);
  std::vector<uint8_t> out(row.size());
  convert_row(DType::kQ4_K, DType::kQ4_K, row.data(), kValues, out.data());
  EXPECT_EQ(out, row);
}

TEST(Convert, ToTheExactWiderTypeWidens) {
  const auto row = random_row(DType::kQ3_K, kValues, 2);
  std::vector<uint8_t> out(row_bytes(DType::kQ6_K, kValues)), wide(out.size());
  convert_row(DType::kQ3_K, DType::kQ6_K, row.data(), kValues, out.data());
  widen_row(DType::kQ3_K, DType::kQ6_K, row.data(), kValues, wide.data());
  EXPECT_EQ(out, wide);
}

TEST(Convert, ToHalfRoundsTheDecodedValues) {
  for (const DType from : {DType::kQ4_1, DType::kQ5_1, DType::kQ2_K, DType::kIQ4_XS, DType::kF32}) {
    SCOPED_TRACE(dtype_info(from).name);
    const int64_t n = dtype_info(from).block_values == 256 ? kValues : kValues + 32 * 3;  // also a short last piece
    const auto row = random_row(from, n, 3);
    std::vector<uint8_t> out(static_cast<size_t>(2 * n));
    convert_row(from, DType::kF16, row.data(), n, out.data());
    const auto values = decoded(from, row, n);
    for (size_t i = 0; i < values.size(); i++) {
      uint16_t half;
      std::memcpy(&half, out.data() + 2 * i, sizeof half);
      ASSERT_EQ(half, f32_to_f16(values[i])) << i;
    }
  }
}

TEST(Convert, ToFloatDecodes) {
  const auto row = random_row(DType::kQ5_K, kValues, 4);
  std::vector<uint8_t> out(static_cast<size_t>(4 * kValues));
  convert_row(DType::kQ5_K, DType::kF32, row.data(), kValues, out.data());
  expect_same_bits(decoded(DType::kF32, out, kValues), decoded(DType::kQ5_K, row, kValues));
}

TEST(WidenDeathTest, AnotherPairIsOurBug) {
  const auto row = random_row(DType::kQ4_1, 32, 5);
  uint8_t out[64];
  EXPECT_DEATH(widen_row(DType::kQ4_1, DType::kQ8_0, row.data(), 32, out), "exact_wider");
  EXPECT_DEATH(convert_row(DType::kQ4_1, DType::kQ8_0, row.data(), 32, out), "kF16");
}

}  // namespace
}  // namespace nextn
