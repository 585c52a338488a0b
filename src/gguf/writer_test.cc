#include "gguf/writer.h"

#include <gtest/gtest.h>

#include <array>

#include "gguf/file.h"
#include "gguf/test_bytes.h"

namespace nextn::gguf {
namespace {

TEST(Writer, WritesTheseBytes) {
  Writer w(8);
  w.add("n", uint32_t{7});
  w.add("s", "hi");
  w.add_array<bool>("b", {true, false});
  w.add_tensor("t", std::array<int64_t, 2>{1, 3}, DType::kF16);
  w.add_tensor("u", {}, DType::kF32);
  const std::vector<Bytes> data = {Bytes{1, 2, 3, 4, 5, 6}, Bytes{7, 8, 9, 10}};
  const Bytes expected = Raw()
                             .head(2, 4)
                             .key("general.alignment", ValueType::kU32)
                             .u32(8)
                             .key("n", ValueType::kU32)
                             .u32(7)
                             .key("s", ValueType::kString)
                             .string("hi")
                             .array("b", 7, 2)
                             .text({"\1\0", 2})
                             .tensor("t", {1, 3}, 1, 0)
                             .tensor("u", {}, 0, 8)
                             .pad(8)
                             .text({"\1\2\3\4\5\6\0\0\7\x8\x9\xa", 12})
                             .pad(8);
  EXPECT_EQ(w.bytes(data), expected);
  EXPECT_EQ(w.tensor_bytes(0), 6u);
  EXPECT_EQ(w.padded(6), 8u);
  EXPECT_EQ(w.header(), Bytes(expected.begin(), expected.end() - 16));
}

TEST(Writer, CopiesTheMetadataOfAFile) {
  Writer w;
  w.add("u", uint8_t{1});
  w.add("f", 0.5);
  w.add("s", "text");
  w.add_array<std::string_view>("l", {"a", "", "b"});
  w.add_array<int64_t>("i", {1, -2});
  const Bytes bytes = w.header();
  const File file = File::from_memory("m", bytes);
  Writer copy;
  for (const Entry& entry : file.metadata()) copy.add(entry.key, entry.value);
  EXPECT_EQ(copy.header(), bytes);
}

TEST(WriterDeathTest, DataOfAnotherSizeIsOurBug) {
  Writer w;
  w.add_tensor("t", std::array<int64_t, 1>{2}, DType::kF32);
  const std::vector<Bytes> none, small = {Bytes(7)};
  EXPECT_DEATH(w.bytes(none), "data.size");
  EXPECT_DEATH(w.bytes(small), "tensor_bytes_");
  EXPECT_DEATH(w.add_tensor("q", std::array<int64_t, 1>{31}, DType::kQ8_0), "block_values");
  EXPECT_DEATH(Writer(3), "has_single_bit");
}

}  // namespace
}  // namespace nextn::gguf
