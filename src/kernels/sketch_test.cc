// The sketch of a matrix: every instruction set against the scalar twin bit by bit, the scalar twin against plain sums,
// and what a query may lose.
#include "kernels/sketch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/scales_of_test.h"
#include "kernels/tables_of_test.h"
#include "quant/decode.h"

namespace nextn {
namespace {

std::vector<float> normal(size_t n, std::mt19937& random, float size = 1) {
  std::vector<float> x(n);
  for (float& v : x) v = std::normal_distribution<float>(0, size)(random);
  return x;
}

struct Query {
  std::vector<uint8_t> tables;
  std::vector<int16_t> scales;
  SketchQuery query{};
  bool finite;

  Query(const std::vector<float>& x, const std::vector<float>& size)
      : tables(4 * x.size()), scales(x.size() / kSketchBlock) {
    finite =
        make_sketch_query(x.data(), size.data(), static_cast<int64_t>(x.size()), tables.data(), scales.data(), &query);
  }
  // Quant j, read back from the tables.
  int quant(size_t j) const { return (tables[j / 4 * 16 + (1u << j % 4)] - tables[j / 4 * 16]) / 2; }
};

TEST(Sketch, PlacesOfATileAreAPermutation) {
  std::array<int, kSketchRows> places;
  for (int r = 0; r < kSketchRows; r++) places[static_cast<size_t>(r)] = sketch_place(r);
  std::ranges::sort(places);
  for (int r = 0; r < kSketchRows; r++) EXPECT_EQ(places[static_cast<size_t>(r)], r);
}

// Of every block the largest value keeps its size, whatever the other blocks hold, and errors stay below half a step.
TEST(Sketch, AQueryHoldsEveryBlockToItsOwnScale) {
  std::mt19937 random(1);
  for (const size_t k : {128u, 1024u, 8192u}) {
    std::vector<float> x = normal(k, random), size = normal(k, random);
    for (float& s : size) s = std::fabs(s) + 0.1f;
    for (size_t i = 0; i < kSketchBlock; i++) x[i] *= 300;
    const Query q(x, size);
    ASSERT_TRUE(q.finite);
    float most = 0;
    for (size_t j = 0; j < k; j++) most = std::max(most, std::fabs(x[j] * size[j]));
    const float largest_scale = *std::ranges::max_element(q.scales);
    for (size_t b = 0; b < k / kSketchBlock; b++) {
      const float step = most / kSketchLimit * static_cast<float>(q.scales[b]) / largest_scale;
      for (size_t j = b * kSketchBlock; j < (b + 1) * kSketchBlock; j++) {
        EXPECT_NEAR(step * static_cast<float>(q.quant(j)), x[j] * size[j], 0.51f * step);
      }
    }
  }
}

TEST(Sketch, AQueryOfZerosAndOneThatIsNotFinite) {
  const std::vector<float> ones(128, 1.0f);
  const Query zeros(std::vector<float>(128, 0.0f), ones);
  EXPECT_TRUE(zeros.finite);
  for (size_t j = 0; j < 128; j++) EXPECT_EQ(zeros.quant(j), 0);
  const Query tiny(std::vector<float>(128, 1e-44f), ones);
  EXPECT_TRUE(tiny.finite);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> x(128, 1.0f);
    x[37] = bad;
    EXPECT_FALSE(Query(x, ones).finite);
  }
}

// Random blocks of a format whose halves are ordinary numbers or, one in eight, zeros and the smallest numbers of
// either sign, in tiles.
std::vector<uint8_t> random_tile(PackFormat format, int64_t k, std::mt19937& random) {
  const auto half = [&] {
    return static_cast<uint16_t>(random() % 8 == 0 ? random() & 0x8001 : (random() & 0x87ff) | 0x2000);
  };
  std::vector<uint8_t> tile(tile_bytes(format, k));
  const DTypeInfo& type = dtype_info(dtype_of(format));
  std::vector<uint8_t> rows(tile.size());
  for (uint8_t& b : rows) b = static_cast<uint8_t>(random());
  for (size_t block = 0; block < rows.size(); block += type.block_bytes) {
    if (format == PackFormat::kF32) {
      const float x = std::normal_distribution<float>(0, 1)(random) * static_cast<float>(random() % 5);
      std::memcpy(&rows[block], &x, sizeof x);
    } else if (format == PackFormat::kBF16) {
      const uint16_t x = random() % 8 == 0 ? 0x8000 : rows[block] | (rows[block + 1] & 0x81) << 8 | 0x3e00;
      std::memcpy(&rows[block], &x, sizeof x);
    } else {
      set_scales(dtype_of(format), &rows[block], half);
    }
  }
  pack_tile(format, rows.data(), rows.size() / kTileRows, kTileRows, k, tile.data());
  return tile;
}

TEST(Sketch, SignsAndSumsOfATileOfEveryFormat) {
  std::mt19937 random(2);
  for (int f = 0; f < kNumPackFormats; f++) {
    const PackFormat format = static_cast<PackFormat>(f);
    const bool small = dtype_info(dtype_of(format)).block_values <= 64;
    for (const int64_t k : {int64_t{small ? 128 : 256}, int64_t{small ? 640 : 768}}) {
      const size_t n = static_cast<size_t>(k);
      const std::vector<uint8_t> tile = random_tile(format, k, random);
      std::vector<float> mean = normal(n, random, 0.01f), size = normal(n, random), w(n * kTileRows);
      for (int r = 0; r < kTileRows; r++) {
        std::vector<uint8_t> row(tile.size() / kTileRows);
        unpack_row(format, tile.data(), r, k, row.data());
        decode_row(dtype_of(format), row.data(), k, &w[static_cast<size_t>(r) * n]);
      }
      mean[3] = w[3];  // no sign of its own: positive
      mean[7] = 0;
      std::vector<float> first;
      for (const KernelTable* table : tables_with_own(&KernelTable::sketch_tile)) {
        std::vector<uint8_t> signs(n / 8 * kSketchRows, 0xa5);
        std::vector<float> sum(kTileRows, 0.5f);
        table->sketch_tile(format, tile.data(), k, mean.data(), size.data(), signs.data(), sum.data());
        for (size_t r = 0; r < kSketchRows; r++) {
          double expected = 0.5, most = 1;
          for (size_t j = 0; j < n; j++) {
            const uint8_t byte = signs[j / 8 * kSketchRows + r];
            if (r >= kTileRows) {
              ASSERT_EQ(byte, 0xa5) << table->isa;
              continue;
            }
            const float x = w[r * n + j];
            ASSERT_EQ(byte >> j % 8 & 1, x >= mean[j]) << table->isa << " format " << f << " " << r << " " << j;
            expected += std::fabs(static_cast<double>(x) - mean[j]) * size[j];
            most += std::fabs((static_cast<double>(x) - mean[j]) * size[j]);
          }
          if (r >= kTileRows) continue;
          EXPECT_NEAR(sum[r], expected, 1e-5 * most) << table->isa << " format " << f;
        }
        if (first.empty()) first = sum;
        EXPECT_EQ(std::memcmp(sum.data(), first.data(), kTileRows * sizeof(float)), 0) << table->isa << " format " << f;
      }
    }
  }
}

// Rows by place in a tile, sums by the definition, for widths whose sums come near 32 bits too.
TEST(Sketch, EstimatesAreTheSameOnEveryInstructionSet) {
  std::mt19937 random(3);
  for (const size_t k : {128u, 384u, 1024u, 16384u}) {
    constexpr size_t kTiles = 3;
    const std::vector<float> ones(k, 1.0f);
    for (const bool flat : {false, true}) {
      std::vector<float> x = flat ? ones : normal(k, random);
      const Query q(x, ones);
      std::vector<uint8_t> signs(kTiles * k / 8 * kSketchRows);
      for (uint8_t& s : signs) s = flat ? 255 : static_cast<uint8_t>(random());
      std::vector<float> scale = normal(kTiles * kSketchRows, random);
      for (float& s : scale) s = std::fabs(s);
      scale[5] = 0;
      for (int r = 0; r < kTileRows; r++) scale[kSketchRows + static_cast<size_t>(sketch_place(r))] = 0;

      std::array<float, 4 * kTiles> expected;
      expected.fill(-std::numeric_limits<float>::infinity());
      for (size_t row = 0; row < kTiles * kSketchRows; row++) {
        const size_t t = row / kSketchRows, r = row % kSketchRows;
        int64_t sum = 0;
        for (size_t j = 0; j < k; j++) {
          const bool positive = signs[(t * k / 8 + j / 8) * kSketchRows + r] >> j % 8 & 1;
          sum += q.scales[j / kSketchBlock] * (positive ? q.quant(j) : -q.quant(j));
        }
        ASSERT_LE(std::abs(sum), INT32_MAX);
        float& best = expected[row / kTileRows];
        best = std::max(best, scale[t * kSketchRows + static_cast<size_t>(sketch_place(static_cast<int>(r)))] *
                                      static_cast<float>(sum) +
                                  0.0f);
      }
      for (const KernelTable* table : tables_with_own(&KernelTable::sketch)) {
        std::array<float, 4 * kTiles + 1> best;
        best.fill(-1);
        const SketchArgs args = {signs.data(), scale.data(), static_cast<int64_t>(k), q.query, best.data()};
        table->sketch(args, 1, 2);
        EXPECT_EQ(best[3], -1);
        EXPECT_EQ(best[8], -1);
        table->sketch(args, 0, 1);
        table->sketch(args, 2, kTiles);
        EXPECT_EQ(best.back(), -1);
        EXPECT_EQ(std::memcmp(best.data(), expected.data(), sizeof expected), 0) << table->isa << " " << k;
      }
    }
  }
}

}  // namespace
}  // namespace nextn
