#include "quant/decode.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/fp16.h"

namespace nextn {
namespace {

struct Vector {
  DType type;
  std::vector<uint8_t> bytes;
  std::vector<float> values;
};

// tools/quant_vectors.py says what is in the file.
std::vector<Vector> read_vectors() {
  const std::string path = NEXTN_SOURCE_DIR "/tests/quant/vectors.bin";
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  std::vector<Vector> vectors;
  uint32_t head[3];
  while (in.read(reinterpret_cast<char*>(head), sizeof head)) {
    Vector v{static_cast<DType>(head[0]), std::vector<uint8_t>(head[2]), std::vector<float>(head[1])};
    in.read(reinterpret_cast<char*>(v.bytes.data()), static_cast<std::streamsize>(v.bytes.size()));
    in.read(reinterpret_cast<char*>(v.values.data()), static_cast<std::streamsize>(v.values.size() * sizeof(float)));
    EXPECT_TRUE(in) << path << " is cut short";
    vectors.push_back(std::move(v));
  }
  return vectors;
}

TEST(Decode, MatchesTheVectorsBitForBit) {
  const auto vectors = read_vectors();
  ASSERT_EQ(vectors.size(), 26u);
  for (const Vector& v : vectors) {
    const DTypeInfo& info = dtype_info(v.type);
    SCOPED_TRACE(info.name);
    ASSERT_TRUE(can_decode(v.type));
    ASSERT_EQ(v.values.size() / info.block_values * info.block_bytes, v.bytes.size());

    std::vector<float> row(v.values.size());
    decode_row(v.type, v.bytes.data(), static_cast<int64_t>(row.size()), row.data());
    for (size_t i = 0; i < row.size(); i++) {
      ASSERT_EQ(bits_of_float(row[i]), bits_of_float(v.values[i])) << "value " << i << ": " << row[i];
    }
  }
}

TEST(Decode, BlockByBlockAtAnOddAddressGivesTheSame) {
  for (const Vector& v : read_vectors()) {
    const DTypeInfo& info = dtype_info(v.type);
    SCOPED_TRACE(info.name);
    std::vector<uint8_t> bytes(info.block_bytes + 1);
    std::vector<float> block(info.block_values);
    for (size_t b = 0; b < v.values.size() / info.block_values; b++) {
      std::memcpy(bytes.data() + 1, v.bytes.data() + b * info.block_bytes, info.block_bytes);
      decode_row(v.type, bytes.data() + 1, info.block_values, block.data());
      ASSERT_EQ(std::memcmp(block.data(), v.values.data() + b * info.block_values, 4u * info.block_values), 0) << b;
    }
  }
}

// As tools/quant_vectors.py --digests: so many blocks that every entry of a grid occurs.
TEST(Decode, EveryEntryOfTheGrids) {
  struct Digest {
    DType type;
    uint64_t sum;
  };
  constexpr Digest kDigests[] = {
      {DType::kIQ2_XXS, 0x4c15d0e8aea6c325}, {DType::kIQ2_XS, 0x626cd1544db1c325}, {DType::kIQ2_S, 0x7427d9d3942ea325},
      {DType::kIQ3_XXS, 0xf7bd32871af5e325}, {DType::kIQ3_S, 0xf55730e48ae52325},  {DType::kIQ1_S, 0x499e228837362325},
      {DType::kIQ1_M, 0xaa5afe98e5f72325},
  };
  constexpr int kBlocks = 1024;
  for (const Digest& digest : kDigests) {
    const DTypeInfo& info = dtype_info(digest.type);
    std::vector<uint8_t> bytes(kBlocks * info.block_bytes);
    uint32_t state = 1;
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>((state = state * 1664525 + 1013904223) >> 24);
    for (size_t at = 0; at < bytes.size(); at += info.block_bytes) {  // d is the half 1
      if (digest.type == DType::kIQ1_M) {
        for (size_t i = 0; i < 4; i++) {
          uint8_t& top = bytes[at + 49 + 2 * i];
          top = static_cast<uint8_t>((top & 0x0f) | 0x3c00 >> 4 * i << 4);
        }
      } else {
        bytes[at] = 0x00, bytes[at + 1] = 0x3c;
      }
    }
    std::vector<float> values(kBlocks * info.block_values);
    decode_row(digest.type, bytes.data(), static_cast<int64_t>(values.size()), values.data());
    uint64_t sum = 0xcbf29ce484222325;
    for (const float v : values) sum = (sum ^ bits_of_float(v)) * 0x100000001b3;
    EXPECT_EQ(sum, digest.sum) << info.name;
  }
}

TEST(Decode, AnEmptyRowTouchesNothing) {
  float untouched = 1.0f;
  decode_row(DType::kQ4_K, nullptr, 0, &untouched);
  EXPECT_EQ(untouched, 1.0f);
}

TEST(Decode, SaysWhatItCannotDecode) {
  int known = 0;
  for (uint32_t id = 0; id < 64; id++) {
    if (const auto type = dtype_from_id(id)) known += can_decode(*type);
  }
  EXPECT_EQ(known, 26);
  EXPECT_FALSE(can_decode(DType::kQ8_K));
  EXPECT_FALSE(can_decode(DType::kQ1_0));
  EXPECT_FALSE(can_decode(DType::kI32));
}

TEST(DecodeDeathTest, PartOfABlockIsOurBug) {
  uint8_t bytes[36] = {};
  float out[32];
  EXPECT_DEATH(decode_row(DType::kQ4_0, bytes, 31, out), "block_values");
  EXPECT_DEATH(decode_row(DType::kQ8_1, bytes, 32, out), "decode != nullptr");
}

}  // namespace
}  // namespace nextn
