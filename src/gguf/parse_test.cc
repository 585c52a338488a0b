// Every check of the reader, each by the bytes that break it and the message it gives.
#include "gguf/parse.h"

#include <array>
#include <limits>
#include <string>
#include <vector>

#include "gguf/file.h"
#include "gguf/test_bytes.h"
#include "gguf/writer.h"

namespace nextn::gguf {
namespace {

constexpr auto kF32 = static_cast<uint32_t>(DType::kF32);
constexpr int64_t kMaxI64 = std::numeric_limits<int64_t>::max();

// The bytes are refused with this message (after "m: ").
#define EXPECT_REFUSED(bytes, message) expect_refused(bytes, message, __LINE__)

void expect_refused(const Bytes& bytes, const std::string& message, int line) {
  SCOPED_TRACE("line " + std::to_string(line));
  expect_error([&] { File::from_memory("m", bytes); }, ErrorCode::kFile, "m: " + message);
}

// A file of one key, up to its value.
Raw one_key(std::string_view key, ValueType type) {
  return Raw().head(0, 1).key(key, type);
}

// A file of one tensor, up to the padding before its data.
Raw one_tensor(const std::string& name, const std::vector<int64_t>& shape, uint32_t type, uint64_t offset = 0) {
  return Raw().head(1, 0).tensor(name, shape, type, offset);
}

TEST(Parse, Magic) {
  EXPECT_REFUSED(Raw().text("GGML").u32(3).i64(0).i64(0), "byte 0: expected the magic \"GGUF\", found \"GGML\"");
  EXPECT_REFUSED(Raw().text("PK\x03\x04").u32(3), "byte 0: expected the magic \"GGUF\", found \"PK\\x03\\x04\"");
  EXPECT_REFUSED({}, "byte 0: expected 4 bytes for the magic, found 0");
}

TEST(Parse, Version) {
  EXPECT_REFUSED(Raw().text("GGUF").u32(0).i64(0).i64(0), "version: expected 2 or 3, found 0");
  EXPECT_REFUSED(Raw().text("GGUF").u32(1).u32(0).u32(0), "version: expected 2 or 3, found 1");
  EXPECT_REFUSED(Raw().text("GGUF").u32(4).i64(0).i64(0), "version: expected 2 or 3, found 4");
  EXPECT_REFUSED(Raw().text("GGUF").u32(0x03000000).i64(0).i64(0),
                 "version: expected a little-endian file, found a big-endian one");
}

TEST(Parse, Counts) {
  EXPECT_REFUSED(Raw().head(-1, 0), "tensor count: expected 0 to 0 (0 bytes are left, 24 the least for one), found -1");
  EXPECT_REFUSED(Raw().head(0, -5).zeros(26),
                 "key count: expected 0 to 2 (26 bytes are left, 13 the least for one), found -5");
  EXPECT_REFUSED(Raw().head(3, 0).zeros(71),
                 "tensor count: expected 0 to 2 (71 bytes are left, 24 the least for one), found 3");
  EXPECT_REFUSED(Raw().head(0, 2).zeros(25),
                 "key count: expected 0 to 1 (25 bytes are left, 13 the least for one), found 2");
  EXPECT_REFUSED(Raw().head(1, 1).zeros(36),
                 "key count: expected 0 to 0 (12 bytes are left, 13 the least for one), found 1");
  EXPECT_REFUSED(Raw().head(kMaxI64, kMaxI64).zeros(100),
                 "tensor count: expected 0 to 4 (100 bytes are left, 24 the least for one), found 9223372036854775807");
}

TEST(Parse, Keys) {
  EXPECT_REFUSED(one_key("", ValueType::kU8).u8(0), "key 0: expected a name, found an empty one");
  EXPECT_REFUSED(Raw().head(0, 2).key("k", ValueType::kU8).u8(0).key("k", ValueType::kU32).u32(0),
                 "k: expected the key once, found it twice");
  EXPECT_REFUSED(Raw().head(0, 1).u64(uint64_t{1} << 30).zeros(20),
                 "byte 32: expected 1073741824 bytes for key 0, found 20");
  EXPECT_REFUSED(Raw().head(0, 1).u64((uint64_t{1} << 30) + 1).zeros(20),
                 "byte 24: expected at most 1073741824 bytes for key 0, found a length of 1073741825");
  EXPECT_REFUSED(Raw().head(0, 1).u64(~uint64_t{0}).zeros(20),
                 "byte 24: expected at most 1073741824 bytes for key 0, found a length of 18446744073709551615");
}

TEST(Parse, ValueTypes) {
  EXPECT_REFUSED(one_key("k", static_cast<ValueType>(13)).zeros(8), "k: expected a value type of 0 to 12, found 13");
  EXPECT_REFUSED(one_key("k", static_cast<ValueType>(0xffffffff)).zeros(8),
                 "k: expected a value type of 0 to 12, found 4294967295");
  EXPECT_REFUSED(Raw().head(0, 1).array("k", 13, 0).zeros(8), "k: expected a value type of 0 to 12, found 13");
  EXPECT_REFUSED(Raw().head(0, 1).array("k", 9, 0).zeros(8),
                 "k: expected an array of scalars or strings, found an array of arrays");
}

TEST(Parse, Arrays) {
  const auto i32 = static_cast<uint32_t>(ValueType::kI32), text = static_cast<uint32_t>(ValueType::kString);
  EXPECT_REFUSED(Raw().head(0, 1).array("k", i32, (uint64_t{1} << 30) + 1),
                 "k: expected at most 1073741824 elements, found 1073741825");
  EXPECT_REFUSED(Raw().head(0, 1).array("k", i32, ~uint64_t{0}),
                 "k: expected at most 1073741824 elements, found 18446744073709551615");
  EXPECT_REFUSED(Raw().head(0, 1).array("k", i32, 3).zeros(11),
                 "k: expected at least 12 bytes for 3 elements, found 11");
  EXPECT_REFUSED(Raw().head(0, 1).array("k", text, 2).zeros(15),
                 "k: expected at least 16 bytes for 2 elements, found 15");
  EXPECT_REFUSED(Raw().head(0, 1).array("k", text, 2).string("a").zeros(7),
                 "byte 58: expected 8 bytes for the length of element 1 of k, found 7");
  EXPECT_REFUSED(Raw().head(0, 1).array("k", text, 2).string("a").u64(4).text("abc"),
                 "byte 66: expected 4 bytes for element 1 of k, found 3");
}

TEST(Parse, Alignment) {
  EXPECT_REFUSED(one_key("general.alignment", ValueType::kU64).u64(32), "general.alignment: expected u32, found u64");
  EXPECT_REFUSED(Raw().head(0, 1).array("general.alignment", 4, 1).u32(32),
                 "general.alignment: expected u32, found array of u32");
  EXPECT_REFUSED(one_key("general.alignment", ValueType::kU32).u32(0),
                 "general.alignment: expected a power of two, found 0");
  EXPECT_REFUSED(one_key("general.alignment", ValueType::kU32).u32(48),
                 "general.alignment: expected a power of two, found 48");
}

TEST(Parse, ALargeAlignmentPutsTheDataBeyondTheEnd) {
  EXPECT_REFUSED(Raw().head(1, 1).key("general.alignment", ValueType::kU32).u32(1u << 31).tensor("t", {1}, kF32, 0),
                 "t: expected 4 bytes at byte 2147483648, found 0 (the file has 90 bytes)");
}

TEST(Parse, TensorNames) {
  const std::string name(64, 'n');
  EXPECT_REFUSED(one_tensor(name, {1}, kF32), "tensor 0: expected a name of at most 63 bytes, found 64");
  EXPECT_REFUSED(Raw().head(2, 0).tensor("t", {8}, kF32, 0).tensor("t", {8}, kF32, 32).pad().zeros(64),
                 "t: expected one tensor of this name, found two");
}

TEST(Parse, Shapes) {
  EXPECT_REFUSED(one_tensor("t", {1, 1, 1, 1, 1}, kF32), "t: expected at most 4 dimensions, found 5");
  EXPECT_REFUSED(Raw().head(1, 0).string("t").u32(0xffffffff).zeros(40),
                 "t: expected at most 4 dimensions, found 4294967295");
  EXPECT_REFUSED(one_tensor("t", {1, -3}, kF32), "t: expected dimension 1 to be 0 or more, found -3");
  EXPECT_REFUSED(one_tensor("t", {1 << 20, 1 << 22, 1 << 22}, kF32),
                 "t: expected a size below 2^63, found [1048576, 4194304, 4194304] of F32");
  EXPECT_REFUSED(one_tensor("t", {kMaxI64}, kF32), "t: expected a size below 2^63, found [9223372036854775807] of F32");
  EXPECT_REFUSED(one_tensor("t", {kMaxI64, kMaxI64, kMaxI64, 0}, kF32),
                 "t: expected a size below 2^63, found [9223372036854775807, 9223372036854775807, "
                 "9223372036854775807, 0] of F32");
}

TEST(Parse, TensorTypes) {
  for (const uint32_t type : {4u, 5u, 31u, 32u, 33u, 36u, 37u, 38u, 43u, 99u, 0xffffffffu}) {
    EXPECT_REFUSED(one_tensor("t", {32}, type), "t: expected a known tensor type, found " + std::to_string(type));
  }
}

TEST(Parse, RowsAreWholeBlocks) {
  EXPECT_REFUSED(one_tensor("t", {48, 2}, static_cast<uint32_t>(DType::kQ8_0)),
                 "t: expected rows of a multiple of 32 values for Q8_0, found 48");
  EXPECT_REFUSED(one_tensor("t", {128, 2}, static_cast<uint32_t>(DType::kQ4_K)),
                 "t: expected rows of a multiple of 256 values for Q4_K, found 128");
  EXPECT_REFUSED(one_tensor("t", {}, static_cast<uint32_t>(DType::kQ4_0)),
                 "t: expected rows of a multiple of 32 values for Q4_0, found 1");
}

TEST(Parse, OffsetsAreContiguous) {
  EXPECT_REFUSED(one_tensor("t", {3}, kF32, 32).pad().zeros(64), "t: expected offset 0, found 32");
  const auto two = [](uint64_t second) {
    return Bytes(Raw().head(2, 0).tensor("a", {9}, kF32, 0).tensor("b", {3}, kF32, second).pad().zeros(200));
  };
  EXPECT_NO_THROW(File::from_memory("m", two(64)));
  EXPECT_REFUSED(two(0), "b: expected offset 64, found 0");    // overlap
  EXPECT_REFUSED(two(36), "b: expected offset 64, found 36");  // not aligned
  EXPECT_REFUSED(two(96), "b: expected offset 64, found 96");  // gap
  EXPECT_REFUSED(two(~uint64_t{0}), "b: expected offset 64, found 18446744073709551615");
}

TEST(Parse, DataInsideTheFile) {
  const Raw head = one_tensor("blk.0.attn_q.weight", {3}, kF32).pad();
  EXPECT_NO_THROW(File::from_memory("m", Bytes(Raw(head).zeros(12))));
  EXPECT_REFUSED(Raw(head).zeros(11),
                 "blk.0.attn_q.weight: expected 12 bytes at byte 96, found 11 (the file has 107 bytes)");
  EXPECT_REFUSED(one_tensor("t", {3}, kF32), "t: expected 12 bytes at byte 64, found 0 (the file has 57 bytes)");
  EXPECT_REFUSED(one_tensor("t", {1 << 20, 1 << 20, 1 << 20}, kF32).pad(),
                 "t: expected 4611686018427387904 bytes at byte 96, found 0 (the file has 96 bytes)");
  EXPECT_REFUSED(one_tensor("t", {0}, kF32), "t: expected 0 bytes at byte 64, found 0 (the file has 57 bytes)");
}

TEST(Parse, NamesInMessagesStayOnOneLine) {
  EXPECT_REFUSED(one_key("a\nb\xff", static_cast<ValueType>(20)).zeros(8),
                 "a\\x0ab\\xff: expected a value type of 0 to 12, found 20");
  EXPECT_REFUSED(one_key(std::string(200, 'k'), static_cast<ValueType>(20)).zeros(8),
                 std::string(120, 'k') + "...: expected a value type of 0 to 12, found 20");
}

// What is being read is named at whatever byte the file ends.
TEST(Parse, TruncatedFields) {
  const Bytes whole = Raw()
                          .head(2, 3)
                          .key("s", ValueType::kString)
                          .string("text")
                          .array("l", 5, 2)
                          .u64(0)
                          .key("u", ValueType::kU16)
                          .put(uint16_t{1})
                          .tensor("first", {32, 2}, kF32, 0)
                          .tensor("second", {3}, kF32, 256)
                          .pad()
                          .zeros(256 + 12);
  ASSERT_NO_THROW(File::from_memory("m", whole));
  const auto cut = [&](size_t n) { return Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(n)); };
  EXPECT_REFUSED(cut(3), "byte 0: expected 4 bytes for the magic, found 3");
  EXPECT_REFUSED(cut(6), "byte 4: expected 4 bytes for the version, found 2");
  EXPECT_REFUSED(cut(15), "byte 8: expected 8 bytes for the tensor count, found 7");
  EXPECT_REFUSED(cut(23), "byte 16: expected 8 bytes for the key count, found 7");
  EXPECT_REFUSED(cut(30), "tensor count: expected 0 to 0 (6 bytes are left, 24 the least for one), found 2");
}

TEST(Parse, TruncatedRecords) {
  // Counts that the rest of the file could just hold, so that the record itself is cut.
  EXPECT_REFUSED(Raw().head(0, 1).string("key.name").zeros(3),
                 "byte 40: expected 4 bytes for the value type of key.name, found 3");
  EXPECT_REFUSED(one_key("long.key", ValueType::kU64).zeros(7),
                 "byte 44: expected 8 bytes for the value of long.key, found 7");
  EXPECT_REFUSED(one_key("k", ValueType::kString).zeros(7),
                 "byte 37: expected 8 bytes for the length of the value of k, found 7");
  EXPECT_REFUSED(one_key("k", ValueType::kString).u64(5).text("text"),
                 "byte 45: expected 5 bytes for the value of k, found 4");
  EXPECT_REFUSED(one_key("k", ValueType::kArray).zeros(3),
                 "byte 37: expected 4 bytes for the element type of k, found 3");
  EXPECT_REFUSED(one_key("k", ValueType::kArray).u32(5).zeros(7),
                 "byte 41: expected 8 bytes for the element count of k, found 7");
  EXPECT_REFUSED(Raw().head(0, 2).key("k", ValueType::kU64).u64(1).zeros(7),
                 "byte 45: expected 8 bytes for the length of key 1, found 7");

  const std::string name(20, 'n');
  EXPECT_REFUSED(Raw().head(2, 0).tensor(name, {1}, kF32, 0).zeros(7),
                 "byte 76: expected 8 bytes for the length of the name of tensor 1, found 7");
  EXPECT_REFUSED(Raw().head(1, 0).u64(20).text("only sixteen byt"),
                 "byte 32: expected 20 bytes for the name of tensor 0, found 16");
  EXPECT_REFUSED(Raw().head(1, 0).string(name).zeros(3),
                 "byte 52: expected 4 bytes for the number of dimensions of " + name + ", found 3");
  EXPECT_REFUSED(Raw().head(1, 0).string(name).u32(2).i64(1).zeros(7),
                 "byte 64: expected 8 bytes for dimension 1 of " + name + ", found 7");
  EXPECT_REFUSED(Raw().head(1, 0).string(name).u32(0).zeros(3),
                 "byte 56: expected 4 bytes for the type of " + name + ", found 3");
  EXPECT_REFUSED(Raw().head(1, 0).string(name).u32(0).u32(0).zeros(7),
                 "byte 60: expected 8 bytes for the offset of " + name + ", found 7");
}

TEST(Parse, EveryTruncationIsAnError) {
  Writer w;
  w.add("general.architecture", "x");
  w.add_array<std::string_view>("tokens", {"a", "bc"});
  w.add_array<float>("scores", {1, 2, 3});
  w.add("flag", true);
  w.add_tensor("a.weight", std::array<int64_t, 2>{32, 2}, DType::kQ4_0);
  w.add_tensor("b", std::array<int64_t, 1>{5}, DType::kF32);
  const std::vector<Bytes> data = {Bytes(36), Bytes(20)};
  const Bytes whole = w.bytes(data);
  const size_t needed = w.header().size() + 64 + 20;  // all but the last padding
  for (size_t n = 0; n < needed; n++) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(n));
    EXPECT_THROW(File::from_memory("m", cut), Error) << n;
  }
  for (size_t n = needed; n <= whole.size(); n++) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(n));
    EXPECT_NO_THROW(File::from_memory("m", cut)) << n;
  }
}

// Whatever one byte of the header is, the file is read or refused.
TEST(Parse, EveryByteOfTheHeaderInEveryValue) {
  Writer w;
  w.add("k", "v");
  w.add_array<int32_t>("l", {1, 2});
  w.add_tensor("t", std::array<int64_t, 2>{2, 2}, DType::kF16);
  const std::vector<Bytes> data = {Bytes(8)};
  Bytes bytes = w.bytes(data);
  int refused = 0;
  for (size_t i = 0; i < w.header().size(); i++) {
    const uint8_t was = bytes[i];
    for (int v = 0; v < 256; v++) {
      bytes[i] = static_cast<uint8_t>(v);
      try {
        File::from_memory("m", bytes);
      } catch (const Error& e) {
        refused++;
        EXPECT_EQ(e.code(), ErrorCode::kFile);
        EXPECT_EQ(std::string_view(e.what()).find('\n'), std::string_view::npos);
      }
    }
    bytes[i] = was;
  }
  EXPECT_GT(refused, 10000);
}

}  // namespace
}  // namespace nextn::gguf
