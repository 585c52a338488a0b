// Matmul and quantising: every instruction set against the scalar twin bit by bit, and the scalar twin against sums in
// double precision over weights decoded from the file's bytes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/fp16.h"
#include "kernels/kernels.h"
#include "kernels/scales_of_test.h"
#include "kernels/tables_of_test.h"
#include "quant/blocks.h"
#include "quant/decode.h"

namespace nextn {
namespace {

std::vector<PackFormat> formats(bool floats) {
  std::vector<PackFormat> all;
  for (int f = 0; f < kNumPackFormats; f++) {
    const PackFormat format = static_cast<PackFormat>(f);
    if (floats || format > PackFormat::kBF16) all.push_back(format);
  }
  return all;
}

std::string name_of(PackFormat format) {
  return std::string(dtype_info(dtype_of(format)).name);
}
bool is_float(PackFormat format) {
  return format <= PackFormat::kBF16;
}

enum class Scales { kUsual, kZero, kTiny, kHuge };

float random_value(std::mt19937& random) {
  return std::normal_distribution<float>(0, 1)(random);
}

// Random bytes with the halves of each block set to something finite.
std::vector<uint8_t> random_rows(PackFormat format, int64_t n_rows, int64_t k, Scales scales, std::mt19937& random) {
  const DTypeInfo& info = dtype_info(dtype_of(format));
  std::vector<uint8_t> rows(static_cast<size_t>(n_rows * k / info.block_values * info.block_bytes));
  auto put = [](uint8_t* to, auto value) { std::memcpy(to, &value, sizeof value); };
  auto scale = [&] {
    switch (scales) {
      case Scales::kZero:
        return static_cast<uint16_t>(random() % 2 ? 0x8000 : 0);
      case Scales::kTiny:
        return static_cast<uint16_t>(random() % 1024 | random() % 2 << 15);  // denormal halves
      case Scales::kHuge:
        return static_cast<uint16_t>(0x7800 + random() % 1024);  // up to 65504
      default:
        return f32_to_f16(0.01f * random_value(random));
    }
  };
  if (format == PackFormat::kF32) {
    const float by = scales == Scales::kZero   ? 0.0f
                     : scales == Scales::kTiny ? 1e-39f
                     : scales == Scales::kHuge ? 1e30f
                                               : 1.0f;
    for (size_t i = 0; i < rows.size(); i += 4) put(&rows[i], by * random_value(random));
    return rows;
  }
  if (is_float(format)) {
    for (size_t i = 0; i < rows.size(); i += 2) {
      put(&rows[i],
          format == PackFormat::kF16 ? scale() : static_cast<uint16_t>(bits_of_float(random_value(random)) >> 16));
    }
    return rows;
  }
  for (auto& byte : rows) byte = static_cast<uint8_t>(random());
  for (size_t at = 0; at < rows.size(); at += info.block_bytes) set_scales(dtype_of(format), &rows[at], scale);
  return rows;
}

// A weight matrix in tiles that start at an odd address, and activations quantised by the scalar twin.
struct Problem {
  Problem(PackFormat format, int64_t n_out, int64_t k, uint32_t seed, Scales scales = Scales::kUsual, float x_scale = 1,
          int64_t n_rows = kMaxMatmulRows)
      : format(format), n_out(n_out), k(k), n_tiles((n_out + 15) / 16), random(seed) {
    const DTypeInfo& info = dtype_info(dtype_of(format));
    row_bytes = static_cast<size_t>(k / info.block_values) * info.block_bytes;
    rows = random_rows(format, n_out, k, scales, random);
    tiles.resize(n_tiles * tile_bytes(format, k) + 3);
    for (int64_t t = 0; t < n_tiles; t++) {
      pack_tile(format, &rows[t * 16 * row_bytes], row_bytes, static_cast<int>(std::min<int64_t>(16, n_out - t * 16)),
                k, &tiles[3 + t * tile_bytes(format, k)]);
    }
    x.resize(n_rows * k);
    for (auto& value : x) value = x_scale * random_value(random);
    quantize_all();
  }

  void quantize_all() {
    q.resize(x.size());
    scale.resize(x.size() / kActBlock);
    sum.resize(x.size() / 16);
    const int block = dtype_info(dtype_of(format)).block_values == kSuperBlock ? kSuperBlock : kActBlock;
    const int64_t rows_x = static_cast<int64_t>(x.size()) / k;
    for (int64_t m = 0; m < rows_x && k % 32 == 0; m++) {
      scalar::kernels().quantize(&x[m * k], k, block, &q[m * k], &scale[m * k / 32], &sum[m * k / 16]);
    }
  }

  MatmulArgs args(int first_row, int n_rows, float* y, int64_t y_stride) const {
    const ActRows act = {x.data() + first_row * k, q.data() + first_row * k, scale.data() + first_row * k / 32,
                         sum.data() + first_row * k / 16};
    return {&tiles[3], k, n_out, act, n_rows, y, y_stride};
  }

  // Rows [first_row, first_row + n_rows) of the product, packed; fails if anything outside of it was written.
  std::vector<float> run(const KernelTable& table, int first_row, int n_rows) const {
    return run(table.matmul[static_cast<int>(format)], first_row, n_rows);
  }
  std::vector<float> run(MatmulFn matmul, int first_row, int n_rows) const {
    const float untouched = -12345.0f;
    const int64_t stride = n_out + 3;
    std::vector<float> y(n_rows * stride + 1, untouched), out;
    matmul(args(first_row, n_rows, &y[1], stride), 0, n_tiles);
    EXPECT_EQ(y[0], untouched);
    for (int m = 0; m < n_rows; m++) {
      out.insert(out.end(), &y[1 + m * stride], &y[1 + m * stride] + n_out);
      for (int64_t i = n_out; i < stride; i++) EXPECT_EQ(y[1 + m * stride + i], untouched);
    }
    return out;
  }

  PackFormat format;
  int64_t n_out, k, n_tiles;
  size_t row_bytes;
  std::mt19937 random;
  std::vector<uint8_t> rows, tiles;
  std::vector<float> x;
  std::vector<int8_t> q;
  std::vector<float> scale;
  std::vector<int16_t> sum;
};

// Bit for bit, but for the payload of a NaN.
::testing::AssertionResult same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return ::testing::AssertionFailure() << "sizes " << a.size() << " and " << b.size();
  for (size_t i = 0; i < a.size(); i++) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    if (bits_of_float(a[i]) != bits_of_float(b[i])) {
      return ::testing::AssertionFailure() << "first difference at " << i << ": " << a[i] << " and " << b[i];
    }
  }
  return ::testing::AssertionSuccess();
}

class Matmul : public ::testing::TestWithParam<PackFormat> {
 protected:
  std::vector<const KernelTable*> own_tables() const {
    return tables_with_own([](const KernelTable& t) { return t.matmul[static_cast<int>(GetParam())]; });
  }

  // Widths that are odd for the format: one block, an odd number of blocks, more than a run of the float kernels.
  std::vector<int64_t> widths() const {
    const int64_t unit = dtype_info(dtype_of(GetParam())).block_values;
    if (unit == 1) return {1, 2, 3, 5, 32, 96, 255, 256, 259, 768};
    if (unit == 32) return {32, 64, 96, 160, 256, 512, 768};
    if (unit == 64) return {64, 128, 192, 256, 512, 768};
    return {256, 512, 768};
  }
};

TEST_P(Matmul, EveryTableGivesTheBitsOfTheScalarTwin) {
  uint32_t seed = 1;
  for (int64_t k : widths()) {
    for (int64_t n_out : {1, 15, 16, 17, 50}) {
      const Problem p(GetParam(), n_out, k, seed++);
      for (int m = 1; m <= kMaxMatmulRows; m++) {
        const auto expected = p.run(scalar::kernels(), 0, m);
        for (const KernelTable* table : own_tables()) {
          ASSERT_TRUE(same_bits(p.run(*table, 0, m), expected))
              << table->isa << " k " << k << " n " << n_out << " m " << m;
        }
      }
    }
  }
}

TEST_P(Matmul, ExtremeScalesGiveTheSameBits) {
  const int64_t k = widths().back();
  for (Scales scales : {Scales::kZero, Scales::kTiny, Scales::kHuge}) {
    for (float x_scale : {0.0f, 1e-42f, 1e-38f, 1e-30f, 1e20f, 1e36f}) {
      const Problem p(GetParam(), 17, k, 99, scales, x_scale);
      const auto expected = p.run(scalar::kernels(), 0, 5);
      for (const KernelTable* table : own_tables()) {
        ASSERT_TRUE(same_bits(p.run(*table, 0, 5), expected))
            << table->isa << " scales " << static_cast<int>(scales) << " x " << x_scale;
      }
    }
  }
}

// The kernels of many rows, where there are any, give what those of few do.
TEST_P(Matmul, ManyRowsGiveTheSameBits) {
  const int format = static_cast<int>(GetParam());
  for (Scales scales : {Scales::kUsual, Scales::kHuge}) {
    for (int64_t n_out : {1, 16, 33, 50, 64}) {
      const Problem p(GetParam(), n_out, widths().back(), static_cast<uint32_t>(n_out), scales, 1, kMaxManyRows);
      std::vector<float> expected;
      for (int m = 0; m < kMaxManyRows; m += kMaxMatmulRows) {
        const std::vector<float> rows = p.run(scalar::kernels(), m, kMaxMatmulRows);
        expected.insert(expected.end(), rows.begin(), rows.end());
      }
      for (const KernelTable* table : tables()) {
        const MatmulFn many = table->matmul_many[format];
        for (int m : {16, 17, 31, 32, 100, 256}) {
          if (many == nullptr) continue;
          const std::vector<float> first(expected.begin(), expected.begin() + m * n_out);
          ASSERT_TRUE(same_bits(p.run(many, 0, m), first)) << table->isa << " n " << n_out << " m " << m;
        }
      }
    }
  }
}

TEST(Tables, WithVbmiGridsHaveKernelsOfTheirOwn) {
  for (PackFormat f : formats(true)) {
    const bool permuted =
        f == PackFormat::kIQ2_XXS || f == PackFormat::kIQ2_XS || f == PackFormat::kIQ3_XXS || f == PackFormat::kIQ3_S;
    const bool loaded = f == PackFormat::kIQ2_S || f == PackFormat::kIQ1_S || f == PackFormat::kIQ1_M;
    const int i = static_cast<int>(f);
    const MatmulFn plain = avx512::kernels().matmul[i], vbmi = avx512::kernels_with_vbmi().matmul[i];
    EXPECT_EQ(vbmi != plain, permuted || loaded) << name_of(f);
    EXPECT_EQ(avx512::kernels_with_amx().matmul[i], loaded ? plain : vbmi) << name_of(f);
  }
}

class IntegerMatmul : public Matmul {};

// All quants at the ends of their ranges: here a 16-bit sum would saturate, were one too many added.
TEST_P(IntegerMatmul, QuantsAtTheEndsOfTheirRanges) {
  for (int weight : {0x00, 0x7f, 0x80, 0xff}) {
    for (int act : {127, -127}) {
      Problem p(GetParam(), 16, 256, 5, Scales::kUsual, 1, kMinManyRows);
      const DTypeInfo& info = dtype_info(dtype_of(GetParam()));
      for (uint8_t& byte : p.rows) byte = static_cast<uint8_t>(weight);
      for (size_t at = 0; at < p.rows.size(); at += info.block_bytes) {
        set_scales(dtype_of(GetParam()), &p.rows[at], [] { return uint16_t{0x3c00}; });  // 1.0
      }
      pack_tile(GetParam(), p.rows.data(), p.row_bytes, 16, 256, &p.tiles[3]);
      for (auto& x : p.x) x = static_cast<float>(act);
      p.quantize_all();
      std::vector<float> w(256);
      decode_row(dtype_of(GetParam()), p.rows.data(), 256, w.data());
      double expected = 0;
      for (float value : w) expected += static_cast<double>(value) * act;
      for (const KernelTable* table : tables()) {
        for (int m : {1, 4, 8}) {
          for (float y : p.run(*table, 0, m))
            ASSERT_EQ(y, static_cast<float>(expected)) << table->isa << " " << weight << " " << act;
        }
        const MatmulFn many = table->matmul_many[static_cast<int>(GetParam())];
        if (many == nullptr) continue;
        for (float y : p.run(many, 0, kMinManyRows)) ASSERT_EQ(y, static_cast<float>(expected)) << weight << " " << act;
      }
    }
  }
}

TEST_P(Matmul, ARowDoesNotDependOnItsNeighbours) {
  const Problem p(GetParam(), 50, widths().back(), 3);
  for (const KernelTable* table : own_tables()) {
    for (int m = 1; m <= kMaxMatmulRows; m++) {
      const auto together = p.run(*table, 0, m);
      for (int row = 0; row < m; row++) {
        const std::vector<float> mine(together.begin() + row * p.n_out, together.begin() + (row + 1) * p.n_out);
        ASSERT_TRUE(same_bits(p.run(*table, row, 1), mine)) << table->isa << " row " << row << " of " << m;
      }
    }
  }
}

TEST_P(Matmul, TileRangesMayBeSplitAnywhere) {
  const Problem p(GetParam(), 16 * 5 - 3, widths().back(), 4);
  for (const KernelTable* table : own_tables()) {
    const auto whole = p.run(*table, 0, 3);
    for (int64_t cut = 0; cut <= p.n_tiles; cut++) {
      std::vector<float> y(3 * p.n_out);
      const MatmulArgs args = p.args(0, 3, y.data(), p.n_out);
      const MatmulFn matmul = table->matmul[static_cast<int>(GetParam())];
      matmul(args, cut, p.n_tiles);
      matmul(args, 0, cut);
      ASSERT_TRUE(same_bits(y, whole)) << table->isa << " cut " << cut;
    }
  }
}

// |error| relative to sum |w x|, x being what the activations were quantised to. The sums have about K / 32 roundings
// of 2^-24 each (K for the float formats, in four chains), hence the bounds.
TEST_P(Matmul, TheScalarTwinIsNearTheExactSum) {
  double worst = 0;
  for (int64_t k : widths()) {
    const Problem p(GetParam(), 50, k, 17);
    const auto y = p.run(scalar::kernels(), 0, kMaxMatmulRows);
    std::vector<float> w(k);
    for (int64_t o = 0; o < p.n_out; o++) {
      decode_row(dtype_of(GetParam()), &p.rows[o * p.row_bytes], k, w.data());
      for (int m = 0; m < kMaxMatmulRows; m++) {
        double exact = 0, magnitude = 0;
        for (int64_t i = 0; i < k; i++) {
          const double x =
              is_float(GetParam()) ? p.x[m * k + i] : static_cast<double>(p.scale[(m * k + i) / 32]) * p.q[m * k + i];
          exact += w[i] * x;
          magnitude += std::fabs(w[i] * x);
        }
        worst = std::max(worst, std::fabs(y[m * p.n_out + o] - exact) / magnitude);
      }
    }
  }
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", worst);
  RecordProperty("worst", text);
  EXPECT_LT(worst, 5e-7) << "relative to sum |w x|";
  EXPECT_GT(worst, 0) << "nothing was compared";
}

TEST_P(Matmul, NanAndInfinityReachTheirRowAlone) {
  const int64_t k = widths().back();
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Problem p(GetParam(), 17, k, 8);
    p.x[k + k / 2] = bad;  // in row 1
    p.quantize_all();
    for (const KernelTable* table : own_tables()) {
      const auto y = p.run(*table, 0, 3);
      for (int64_t o = 0; o < p.n_out; o++) {
        EXPECT_TRUE(std::isfinite(y[o]));
        EXPECT_FALSE(std::isfinite(y[p.n_out + o])) << table->isa;
        EXPECT_TRUE(std::isfinite(y[2 * p.n_out + o]));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, Matmul, ::testing::ValuesIn(formats(true)),
                         [](const auto& info) { return name_of(info.param); });

INSTANTIATE_TEST_SUITE_P(Formats, IntegerMatmul, ::testing::ValuesIn(formats(false)),
                         [](const auto& info) { return name_of(info.param); });

struct Quantized {
  explicit Quantized(int64_t k) : q(k + 1), scale(k / 32), sum(k / 16) {}
  std::vector<int8_t> q;  // from index 1, so that it is misaligned
  std::vector<float> scale;
  std::vector<int16_t> sum;
};

Quantized run_quantize(const KernelTable& table, const std::vector<float>& x, int block = kActBlock) {
  Quantized out(static_cast<int64_t>(x.size()));
  table.quantize(x.data(), static_cast<int64_t>(x.size()), block, out.q.data() + 1, out.scale.data(), out.sum.data());
  return out;
}

class Quantize : public ::testing::TestWithParam<int> {
 protected:
  const int block_ = GetParam();
};

INSTANTIATE_TEST_SUITE_P(Blocks, Quantize, ::testing::Values(kActBlock, kSuperBlock),
                         [](const auto& info) { return "of" + std::to_string(info.param); });

TEST_P(Quantize, FollowsItsDefinitionInEveryTable) {
  std::mt19937 random(11);
  for (float by : {0.0f, 1e-44f, 1e-40f, 3.7e-37f, 3.8e-37f, 1e-30f, 1e-3f, 1.0f, 1e10f, 2e36f}) {
    for (int64_t n_blocks : {1, 2, 8, 37}) {
      const int64_t k = n_blocks * block_;
      std::vector<float> x(k);
      for (auto& value : x) value = by * random_value(random);
      for (int64_t i = 0; i < 32; i++) x[i] = by * (static_cast<float>(i) - 15.5f);  // quotients near halves
      x[31] = by * 127;
      for (const KernelTable* table : tables_with_own(&KernelTable::quantize)) {
        SCOPED_TRACE(std::string(table->isa) + " scale " + std::to_string(by) + " k " + std::to_string(k));
        const Quantized out = run_quantize(*table, x, block_);
        for (int64_t b = 0; b < k / 32; b++) {
          float amax = 0;
          const int64_t first = b * 32 / block_ * block_;
          for (int i = 0; i < block_; i++) amax = std::max(amax, std::fabs(x[first + i]));
          const bool flat = amax == 0 || std::isinf(127.0f / amax);
          const float scale = flat ? 0 : amax / 127;
          ASSERT_EQ(bits_of_float(out.scale[b]), bits_of_float(scale));
          int sums[2] = {};
          for (int i = 0; i < 32; i++) {
            const float value = flat ? 0 : std::nearbyint(x[b * 32 + i] * (127.0f / amax));
            ASSERT_EQ(out.q[1 + b * 32 + i], std::min(127.0f, std::max(-127.0f, value))) << b << " " << i;
            sums[i / 16] += out.q[1 + b * 32 + i];
          }
          ASSERT_EQ(out.sum[2 * b], sums[0]);
          ASSERT_EQ(out.sum[2 * b + 1], sums[1]);
        }
      }
    }
  }
}

// Rows of models in float need not be whole blocks.
TEST_P(Quantize, WhatIsLeftAfterTheLastBlockStays) {
  for (const KernelTable* table : tables_with_own(&KernelTable::quantize)) {
    for (int64_t left : {1, 4, 31}) {
      const std::vector<float> x(2 * block_ + left, 1.0f);
      Quantized out(3 * block_);
      std::ranges::fill(out.q, int8_t{7});
      std::ranges::fill(out.scale, 7.0f);
      std::ranges::fill(out.sum, int16_t{7});
      table->quantize(x.data(), static_cast<int64_t>(x.size()), block_, out.q.data(), out.scale.data(), out.sum.data());
      EXPECT_EQ(out.q[2 * block_ - 1], 127);
      EXPECT_TRUE(std::all_of(out.q.begin() + 2 * block_, out.q.end(), [](int8_t v) { return v == 7; }));
      EXPECT_TRUE(std::all_of(out.scale.begin() + 2 * block_ / 32, out.scale.end(), [](float v) { return v == 7; }));
      EXPECT_TRUE(std::all_of(out.sum.begin() + 2 * block_ / 16, out.sum.end(), [](int16_t v) { return v == 7; }));
    }
  }
}

TEST_P(Quantize, TiesGoToEven) {
  std::vector<float> x(block_);
  for (int i = 0; i < 31; i++) x[i] = static_cast<float>(i) - 15.5f;
  x[31] = 127;
  for (const KernelTable* table : tables_with_own(&KernelTable::quantize)) {
    const Quantized out = run_quantize(*table, x, block_);
    EXPECT_EQ(out.scale[0], 1.0f);
    EXPECT_EQ(out.q[1], -16);      // -15.5
    EXPECT_EQ(out.q[1 + 1], -14);  // -14.5
    EXPECT_EQ(out.q[1 + 15], 0);   // -0.5
    EXPECT_EQ(out.q[1 + 17], 2);   // 1.5
  }
}

TEST_P(Quantize, NanAndInfinityMakeTheScaleOfTheirBlockNan) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  for (float bad : {nan, -nan, infinity, -infinity, float_from_bits(0x7f800001u)}) {
    for (int at = block_; at < 2 * block_; at++) {
      std::vector<float> x(3 * block_, 1.0f);
      x[at] = bad;
      for (const KernelTable* table : tables_with_own(&KernelTable::quantize)) {
        const Quantized out = run_quantize(*table, x, block_);
        for (int i = 0; i < 3 * block_; i++) {
          const bool hit = i / block_ == 1;
          const uint32_t scale = bits_of_float(out.scale[i / 32]);
          ASSERT_EQ(scale, hit ? 0x7fc00000u : bits_of_float(1.0f / 127)) << table->isa << " at " << at;
          ASSERT_EQ(out.q[1 + i], hit ? 0 : 127) << table->isa;
          ASSERT_EQ(out.sum[i / 16], hit ? 0 : 127 * 16) << table->isa;
        }
      }
    }
  }
}

}  // namespace
}  // namespace nextn
