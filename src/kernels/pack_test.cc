#include "kernels/pack.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

namespace nextn {
namespace {

std::vector<PackFormat> all_formats() {
  std::vector<PackFormat> formats;
  for (int f = 0; f < kNumPackFormats; f++) formats.push_back(static_cast<PackFormat>(f));
  return formats;
}

std::vector<uint8_t> random_bytes(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<uint8_t> bytes(n);
  for (auto& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

size_t row_bytes_of(PackFormat format, int64_t k) {
  const DTypeInfo& info = dtype_info(dtype_of(format));
  return static_cast<size_t>(k / info.block_values) * info.block_bytes;
}

std::string name_of(PackFormat format) {
  return std::string(dtype_info(dtype_of(format)).name);
}

TEST(Pack, EveryFormatHasATypeOfItsOwn) {
  EXPECT_EQ(dtype_of(PackFormat::kF32), DType::kF32);
  EXPECT_EQ(dtype_of(PackFormat::kQ6_K), DType::kQ6_K);
  EXPECT_EQ(dtype_of(PackFormat::kIQ2_XS), DType::kIQ2_XS);
  EXPECT_EQ(dtype_of(PackFormat::kTQ2_0), DType::kTQ2_0);
  for (PackFormat format : all_formats()) EXPECT_EQ(pack_format_of(dtype_of(format)), format) << name_of(format);
  EXPECT_EQ(pack_format_of(DType::kQ8_1), std::nullopt);
}

TEST(Pack, UnpackGivesTheBytesBack) {
  for (PackFormat format : all_formats()) {
    const int64_t unit = dtype_info(dtype_of(format)).block_values;
    for (int64_t blocks : {1, 2, 3, 5, 67}) {
      const int64_t k = unit * blocks;
      const size_t row_bytes = row_bytes_of(format, k);
      ASSERT_EQ(tile_bytes(format, k), 16 * row_bytes);
      for (int n_rows = 1; n_rows <= 16; n_rows++) {
        SCOPED_TRACE(name_of(format) + " k " + std::to_string(k) + " rows " + std::to_string(n_rows));
        const size_t pitch = row_bytes + 5;
        const auto rows = random_bytes(pitch * 16 + 1, 7);
        std::vector<uint8_t> tile(tile_bytes(format, k) + 2, 0xcd), row(row_bytes + 2);
        pack_tile(format, rows.data() + 1, pitch, n_rows, k, tile.data() + 1);
        ASSERT_EQ(tile.front(), 0xcd);
        ASSERT_EQ(tile.back(), 0xcd);
        for (int r = 0; r < n_rows; r++) {
          row.assign(row_bytes + 2, 0xab);
          unpack_row(format, tile.data() + 1, r, k, row.data() + 1);
          ASSERT_EQ(std::memcmp(row.data() + 1, rows.data() + 1 + r * pitch, row_bytes), 0) << "row " << r;
          ASSERT_EQ(row.front(), 0xab);
          ASSERT_EQ(row.back(), 0xab);
        }
      }
    }
  }
}

// Everything that rows 3..15 fill in a full tile is zero in a tile of three rows.
TEST(Pack, MissingRowsAreZeroBytes) {
  for (PackFormat format : all_formats()) {
    SCOPED_TRACE(name_of(format));
    const int64_t k = dtype_info(dtype_of(format)).block_values * 3;
    const size_t row_bytes = row_bytes_of(format, k);
    std::vector<uint8_t> tile(tile_bytes(format, k)), rows(row_bytes * 16, 0xff);
    pack_tile(format, rows.data(), row_bytes, 3, k, tile.data());
    size_t zeros = 0;
    for (uint8_t byte : tile) zeros += byte == 0;
    EXPECT_EQ(zeros, 13 * row_bytes);
  }
}

// The bit of a sign or a fifth bit of input i, in 32 inputs that share a word.
TEST(Pack, BitsAreTurned) {
  const auto only_bit = [](PackFormat format, size_t bit, size_t words) {
    std::vector<uint8_t> row(row_bytes_of(format, 256)), tile(tile_bytes(format, 256));
    row[bit / 8] = static_cast<uint8_t>(1 << bit % 8);
    pack_tile(format, row.data(), row.size(), 1, 256, tile.data());
    uint32_t word, found = 0;
    for (size_t i = 0; i < tile.size(); i++) found += static_cast<uint32_t>(__builtin_popcount(tile[i]));
    EXPECT_EQ(found, 1u);
    std::memcpy(&word, &tile[words], sizeof word);
    return word;
  };
  for (uint32_t i = 0; i < 32; i++) {
    const uint32_t turned = uint32_t{1} << (i % 4 * 8 + i / 4);
    EXPECT_EQ(only_bit(PackFormat::kQ5_0, 8 * 2 + i, 32), turned) << i;
    EXPECT_EQ(only_bit(PackFormat::kIQ3_S, 8 * (74 + 4) + i, 32 + 76 * 16 + 64), turned) << i;
    const uint32_t sign = i / 8 * 7 + i % 8, other = 28 + i / 8;
    EXPECT_EQ(only_bit(PackFormat::kIQ2_XXS, 8 * (2 + 8 + 4) + (i % 8 < 7 ? sign : other), 32 + 3 * 64), turned) << i;
    EXPECT_EQ(only_bit(PackFormat::kIQ3_XXS, 8 * (66 + 4) + (i % 8 < 7 ? sign : other), 32 + 64 * 16 + 64), turned)
        << i;
    const uint32_t unit = 16 * (4 + i / 8), ninth = unit + 8;
    EXPECT_EQ(only_bit(PackFormat::kIQ2_XS, 8 * 2 + (i % 8 < 7 ? unit + 9 + i % 8 : ninth), 32 + 8 * 16 + 3 * 64),
              turned)
        << i;
    EXPECT_EQ(only_bit(PackFormat::kIQ2_XS, 8 * 2 + unit + i % 8, 32 + 8 * 16 + 2 * 64),
              uint32_t{1} << (i / 8 * 8 + i % 8))
        << i;
  }
}

// The layout itself, one byte of each kind followed from the file to its place.
TEST(Pack, BytesStandWhereTheHeaderSays) {
  auto place = [](PackFormat format, int64_t k, int r, size_t in_row) {
    const size_t row_bytes = row_bytes_of(format, k);
    std::vector<uint8_t> tile(tile_bytes(format, k)), none(tile.size()), rows(row_bytes * 16);
    pack_tile(format, rows.data(), row_bytes, 16, k, none.data());
    rows[r * row_bytes + in_row] = 0xff;
    pack_tile(format, rows.data(), row_bytes, 16, k, tile.data());
    for (size_t i = 0; i < tile.size(); i++) {
      if (tile[i] != none[i]) return static_cast<int64_t>(i);
    }
    return int64_t{-1};
  };
  EXPECT_EQ(place(PackFormat::kF32, 70, 3, 65 * 4 + 1), 65 * 64 + 3 * 4 + 1);
  EXPECT_EQ(place(PackFormat::kBF16, 70, 3, 65 * 2 + 1), 65 * 32 + 3 * 2 + 1);
  EXPECT_EQ(place(PackFormat::kQ8_0, 64, 5, 34 + 1), 544 + 5 * 2 + 1);                         // d of block 1
  EXPECT_EQ(place(PackFormat::kQ8_0, 64, 5, 34 + 2 + 9), 544 + 32 + 2 * 64 + 5 * 4 + 1);       // input 9
  EXPECT_EQ(place(PackFormat::kQ4_0, 64, 15, 18 + 2 + 15), 288 + 32 + 3 * 64 + 15 * 4 + 3);    // inputs 15 and 31
  EXPECT_EQ(place(PackFormat::kQ4_K, 512, 2, 144 + 2), 2304 + 32 + 4);                         // dmin
  EXPECT_EQ(place(PackFormat::kQ4_K, 512, 2, 144 + 4 + 11), 2304 + 64 + 11 * 16 + 2);          // scale byte 11
  EXPECT_EQ(place(PackFormat::kQ4_K, 512, 2, 144 + 16 + 70), 2304 + 256 + 17 * 64 + 8 + 2);    // qs[70]
  EXPECT_EQ(place(PackFormat::kQ5_K, 256, 1, 16 + 31), 256 + 7 * 64 + 4 + 3);                  // qh[31]
  EXPECT_EQ(place(PackFormat::kQ5_K, 256, 1, 48 + 4), 256 + 512 + 64 + 4);                     // qs[4]
  EXPECT_EQ(place(PackFormat::kQ6_K, 256, 6, 209), 6 * 2 + 1);                                 // d
  EXPECT_EQ(place(PackFormat::kQ6_K, 256, 6, 192 + 9), 32 + 9 * 16 + 6);                       // scale 9
  EXPECT_EQ(place(PackFormat::kQ6_K, 256, 6, 128 + 6), 32 + 256 + 3 * 64 + 6 * 4 + 2);         // qh[6]
  EXPECT_EQ(place(PackFormat::kQ6_K, 256, 6, 128 + 32), 32 + 256 + 24 * 64 + 6 * 4);           // qh[32]
  EXPECT_EQ(place(PackFormat::kQ6_K, 256, 6, 5), 32 + 256 + 4 * 64 + 6 * 4 + 1);               // ql[5]
  EXPECT_EQ(place(PackFormat::kQ6_K, 256, 6, 32), 32 + 256 + 2 * 64 + 6 * 4);                  // ql[32]
  EXPECT_EQ(place(PackFormat::kQ6_K, 256, 6, 64), 32 + 256 + 25 * 64 + 6 * 4);                 // ql[64]
  EXPECT_EQ(place(PackFormat::kQ6_K, 256, 6, 127), 32 + 256 + 47 * 64 + 6 * 4 + 3);            // ql[127]
  EXPECT_EQ(place(PackFormat::kIQ4_XS, 512, 4, 136 + 3), 2176 + 32 + 4 * 2 + 1);               // scales_h
  EXPECT_EQ(place(PackFormat::kIQ4_XS, 512, 4, 136 + 4 + 3), 2176 + 64 + 3 * 16 + 4);          // scales_l[3]
  EXPECT_EQ(place(PackFormat::kIQ4_XS, 512, 4, 136 + 8 + 70), 2176 + 128 + 17 * 64 + 16 + 2);  // qs[70]
  EXPECT_EQ(place(PackFormat::kQ4_1, 64, 3, 20 + 2), 320 + 32 + 3 * 2);                        // m of block 1
  EXPECT_EQ(place(PackFormat::kMXFP4, 64, 3, 17), 272 + 3);                                    // e of block 1
  EXPECT_EQ(place(PackFormat::kMXFP4, 64, 3, 17 + 1 + 5), 272 + 16 + 64 + 3 * 4 + 1);          // qs[5]
  EXPECT_EQ(place(PackFormat::kNVFP4, 64, 3, 2), 2 * 16 + 3);                                  // s[2]
  EXPECT_EQ(place(PackFormat::kQ2_K, 256, 1, 82), 32 + 2);                                     // dmin
  EXPECT_EQ(place(PackFormat::kQ3_K, 256, 1, 32 + 4), 32 + 12 * 16 + 8 * 64 + 64 + 4);         // qs[4]
  EXPECT_EQ(place(PackFormat::kIQ2_XXS, 256, 1, 2 + 9), 32 + 2 * 64 + 4 + 1);                  // index 5
  EXPECT_EQ(place(PackFormat::kIQ2_S, 256, 7, 66 + 8), 32 + 8 * 16 + 7);                       // the first scales
  EXPECT_EQ(place(PackFormat::kIQ3_S, 256, 7, 2 + 9), 32 + 12 * 16 + 9 * 16 + 7);              // index 9
  EXPECT_EQ(place(PackFormat::kIQ1_M, 256, 7, 48 + 6), 3 * 32 + 7 * 2);                        // the last scales
  std::vector<uint8_t> zero_row(34), tile(544);
  pack_tile(PackFormat::kQ8_0, zero_row.data(), 34, 1, 32, tile.data());
  EXPECT_EQ(tile[32], 0x80);  // the quant 0 with its sign bit flipped
}

}  // namespace
}  // namespace nextn
