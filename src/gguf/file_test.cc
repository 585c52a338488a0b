#include "gguf/file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "gguf/test_bytes.h"
#include "gguf/writer.h"

namespace nextn::gguf {
namespace {

Bytes sample() {
  Writer w;
  w.add("general.architecture", "qwen35");
  w.add("a.u8", uint8_t{200});
  w.add("a.i8", int8_t{-3});
  w.add("a.u16", uint16_t{60000});
  w.add("a.i16", int16_t{-30000});
  w.add("a.u32", uint32_t{4000000000});
  w.add("a.i32", int32_t{-7});
  w.add("a.f32", 0.5f);
  w.add("a.bool", true);
  w.add("a.u64", uint64_t{1} << 40);
  w.add("a.i64", int64_t{-1} << 40);
  w.add("a.f64", 0.25);
  w.add_array<std::string_view>("l.strings", {"one", "", "three"});
  w.add_array<uint32_t>("l.u32", {1, 2, 3});
  w.add_array<int32_t>("l.i32", {4, -5, 6});
  w.add_array<float>("l.f32", {0.5f, -1.5f});
  w.add_array<bool>("l.bool", {true, false, true, true});
  w.add_array<uint32_t>("l.big", {1, 3000000000});
  w.add_array<int32_t>("l.empty", {});
  w.add_tensor("token_embd.weight", std::array<int64_t, 2>{32, 3}, DType::kQ8_0);
  w.add_tensor("scalar", {}, DType::kF32);
  w.add_tensor("blk.0.ssm_conv1d.weight", std::array<int64_t, 3>{4, 5, 1}, DType::kF16);
  const std::vector<Bytes> data = {Bytes(102, 1), Bytes(4, 2), Bytes(40, 3)};
  return w.bytes(data);
}

TEST(File, ReadsWhatTheWriterWrote) {
  const Bytes bytes = sample();
  const File file = File::from_memory("m", bytes);
  EXPECT_EQ(file.path(), "m");
  EXPECT_EQ(file.version(), 3u);
  EXPECT_EQ(file.n_parts(), 1);
  EXPECT_EQ(file.n_bytes(), bytes.size());
  EXPECT_EQ(file.metadata().size(), 19u);
  EXPECT_EQ(file.metadata().front().key, "general.architecture");

  EXPECT_EQ(file.string("general.architecture"), "qwen35");
  EXPECT_EQ(file.u32("a.u32"), 4000000000u);
  EXPECT_EQ(file.i32("a.i32"), -7);
  EXPECT_EQ(file.u64("a.u64"), uint64_t{1} << 40);
  EXPECT_EQ(file.f32("a.f32"), 0.5f);
  EXPECT_TRUE(file.boolean("a.bool"));
  EXPECT_EQ(file.find("a.u8")->get<uint8_t>(), 200);
  EXPECT_EQ(file.find("a.i8")->get<int8_t>(), -3);
  EXPECT_EQ(file.find("a.u16")->get<uint16_t>(), 60000);
  EXPECT_EQ(file.find("a.i16")->get<int16_t>(), -30000);
  EXPECT_EQ(file.find("a.i64")->get<int64_t>(), int64_t{-1} << 40);
  EXPECT_EQ(file.find("a.f64")->get<double>(), 0.25);
  EXPECT_EQ(file.find("a"), nullptr);
  EXPECT_FALSE(file.has("A.U32"));
  EXPECT_EQ(file.find("a.u32")->type_text(), "u32");
  EXPECT_EQ(file.find("l.strings")->type_text(), "array of string");
}

TEST(File, Tensors) {
  const Bytes bytes = sample();
  const File file = File::from_memory("m", bytes);
  ASSERT_EQ(file.tensors().size(), 3u);

  const TensorInfo& embd = *file.tensor("token_embd.weight");
  EXPECT_EQ(&embd, file.tensors().data());
  EXPECT_EQ(embd.shape, (std::array<int64_t, 4>{32, 3, 1, 1}));
  EXPECT_EQ(embd.n_dims, 2);
  EXPECT_EQ(embd.type, DType::kQ8_0);
  EXPECT_EQ(embd.n_bytes, 102u);
  EXPECT_EQ(embd.part, 0);
  EXPECT_EQ(embd.data, bytes.data() + embd.file_offset);
  EXPECT_EQ(embd.file_offset % 32, 0u);
  EXPECT_EQ(Bytes(embd.data, embd.data + embd.n_bytes), Bytes(102, 1));
  EXPECT_EQ(embd.shape_text(), "[32, 3]");

  const TensorInfo& scalar = *file.tensor("scalar");
  EXPECT_EQ(scalar.shape, (std::array<int64_t, 4>{1, 1, 1, 1}));
  EXPECT_EQ(scalar.n_dims, 0);
  EXPECT_EQ(scalar.n_bytes, 4u);
  EXPECT_EQ(scalar.file_offset, embd.file_offset + 128);
  EXPECT_EQ(scalar.shape_text(), "[]");
  EXPECT_EQ(*file.tensor("blk.0.ssm_conv1d.weight")->data, 3);
  EXPECT_EQ(file.tensor("blk.0"), nullptr);
  EXPECT_EQ(file.map_of(embd), nullptr);
  uint8_t byte = 0;
  EXPECT_TRUE(file.read(scalar, 0, 1, &byte));
  EXPECT_EQ(byte, *scalar.data);
}

TEST(File, Version2HasTheSameLayout) {
  Bytes bytes = sample();
  bytes[4] = 2;
  const File file = File::from_memory("m", bytes);
  EXPECT_EQ(file.version(), 2u);
  EXPECT_EQ(file.u32("a.u32"), 4000000000u);
  EXPECT_EQ(file.tensors().size(), 3u);
}

TEST(File, AFileWithoutTensorsNeedsNoDataSection) {
  const Bytes bytes = Raw().head(0, 1).key("k", ValueType::kU8).u8(9);
  EXPECT_EQ(File::from_memory("m", bytes).find("k")->get<uint8_t>(), 9);
}

TEST(File, TheLastTensorNeedsNoPadding) {
  Writer w;
  w.add_tensor("t", std::array<int64_t, 1>{3}, DType::kF32);
  Bytes bytes = w.header();
  bytes.resize(bytes.size() + 12);
  EXPECT_EQ(File::from_memory("m", bytes).tensor("t")->n_bytes, 12u);
}

TEST(File, AlignmentOfTheFile) {
  for (const uint32_t alignment : {1u, 8u, 256u}) {
    Writer w(alignment);
    w.add_tensor("a", std::array<int64_t, 1>{1}, DType::kF32);
    w.add_tensor("b", std::array<int64_t, 1>{1}, DType::kF32);
    const std::vector<Bytes> data = {Bytes(4, 1), Bytes(4, 2)};
    const Bytes bytes = w.bytes(data);
    const File file = File::from_memory("m", bytes);
    EXPECT_EQ(*file.tensor("b")->data, 2);
    EXPECT_EQ(file.tensor("b")->file_offset - file.tensor("a")->file_offset, std::max(4u, alignment));
  }
}

TEST(File, AnyNonzeroByteIsTrue) {
  const Bytes bytes = Raw().head(0, 1).key("k", ValueType::kBool).u8(0x80);
  EXPECT_TRUE(File::from_memory("m", bytes).boolean("k"));
}

TEST(File, ANameOf63BytesAndAKeyOfAnyBytes) {
  const std::string name(63, 'n'), key("\0\xff\n", 3);
  Writer w;
  w.add(key, 1);
  w.add_tensor(name, {}, DType::kF32);
  const std::vector<Bytes> data = {Bytes(4)};
  const Bytes bytes = w.bytes(data);
  const File file = File::from_memory("m", bytes);
  EXPECT_NE(file.tensor(name), nullptr);
  EXPECT_EQ(file.i32(key), 1);
}

TEST(File, ATensorOfNoValues) {
  Writer w;
  w.add_tensor("none", std::array<int64_t, 2>{0, 7}, DType::kF32);
  w.add_tensor("one", {}, DType::kF32);
  const std::vector<Bytes> data = {{}, Bytes(4, 5)};
  const Bytes bytes = w.bytes(data);
  const File file = File::from_memory("m", bytes);
  EXPECT_EQ(file.tensor("none")->n_bytes, 0u);
  EXPECT_EQ(*file.tensor("one")->data, 5);
}

TEST(File, OpensFromDisk) {
  const TempDir dir;
  const std::string path = dir.write("model.gguf", sample());
  const File file = File::open(path);
  EXPECT_EQ(file.path(), path);
  EXPECT_EQ(file.u32("a.u32"), 4000000000u);
  const TensorInfo& t = *file.tensor("token_embd.weight");
  EXPECT_EQ(t.data[101], 1);
  EXPECT_NE(file.map_of(t), nullptr);
  uint8_t byte = 0;
  EXPECT_TRUE(file.read(t, 101, 1, &byte));
  EXPECT_EQ(byte, 1);

  EXPECT_ERROR(File::open(dir.path("absent.gguf")), kSystem,
               dir.path("absent.gguf") + ": cannot open: No such file or directory");
}

TEST(Access, Arrays) {
  const Bytes bytes = sample();
  const File file = File::from_memory("m", bytes);
  EXPECT_EQ(file.strings("l.strings"), (std::vector<std::string_view>{"one", "", "three"}));
  EXPECT_EQ(file.u32s("l.u32"), (std::vector<uint32_t>{1, 2, 3}));
  EXPECT_EQ(file.i32s("l.u32"), (std::vector<int32_t>{1, 2, 3}));
  EXPECT_EQ(file.i32s("l.i32"), (std::vector<int32_t>{4, -5, 6}));
  EXPECT_EQ(file.f32s("l.f32"), (std::vector<float>{0.5f, -1.5f}));
  EXPECT_EQ(file.bools("l.bool"), (std::vector<bool>{true, false, true, true}));
  EXPECT_TRUE(file.u32s("l.empty").empty());
}

TEST(Access, Defaults) {
  const Bytes bytes = sample();
  const File file = File::from_memory("m", bytes);
  EXPECT_EQ(file.u32_or("no", 5), 5u);
  EXPECT_EQ(file.u32_or("a.u32", 5), 4000000000u);
  EXPECT_EQ(file.i32_or("no", -5), -5);
  EXPECT_EQ(file.i32_or("a.i32", 5), -7);
  EXPECT_EQ(file.f32_or("no", 2.0f), 2.0f);
  EXPECT_EQ(file.f32_or("a.f32", 2.0f), 0.5f);
  EXPECT_FALSE(file.bool_or("no", false));
  EXPECT_TRUE(file.bool_or("a.bool", false));
  EXPECT_EQ(file.string_or("no", "x"), "x");
  EXPECT_EQ(file.string_or("general.architecture", "x"), "qwen35");
}

TEST(Access, ScalarOrArray) {
  const Bytes bytes = sample();
  const File file = File::from_memory("m", bytes);
  EXPECT_EQ(file.u32_or_array("a.u32", 2), (std::vector<uint32_t>{4000000000, 4000000000}));
  EXPECT_EQ(file.u32_or_array("l.u32", 3), (std::vector<uint32_t>{1, 2, 3}));
  EXPECT_EQ(file.u32_or_array("no", 2, 9), (std::vector<uint32_t>{9, 9}));
  EXPECT_EQ(file.i32_or_array("a.i32", 1), (std::vector<int32_t>{-7}));
  EXPECT_EQ(file.i32_or_array("l.i32", 3), (std::vector<int32_t>{4, -5, 6}));
  EXPECT_EQ(file.f32_or_array("a.f32", 2), (std::vector<float>{0.5f, 0.5f}));
  EXPECT_EQ(file.f32_or_array("l.f32", 2, 1.0f), (std::vector<float>{0.5f, -1.5f}));
  EXPECT_EQ(file.bool_or_array("a.bool", 2), (std::vector<bool>{true, true}));
  EXPECT_EQ(file.bool_or_array("l.bool", 4), (std::vector<bool>{true, false, true, true}));
  EXPECT_EQ(file.bool_or_array("no", 1, false), (std::vector<bool>{false}));
}

TEST(Access, AnotherTypeIsAnError) {
  const Bytes bytes = sample();
  const File file = File::from_memory("m", bytes);
  EXPECT_ERROR(file.u32("a.i32"), kFile, "m: a.i32: expected u32, found i32");
  EXPECT_ERROR(file.u32("a.u64"), kFile, "m: a.u64: expected u32, found u64");
  EXPECT_ERROR(file.u32("l.u32"), kFile, "m: l.u32: expected u32, found array of u32");
  EXPECT_ERROR(file.i32("a.i8"), kFile, "m: a.i8: expected i32, found i8");
  EXPECT_ERROR(file.u64("a.u32"), kFile, "m: a.u32: expected u64, found u32");
  EXPECT_ERROR(file.f32("a.f64"), kFile, "m: a.f64: expected f32, found f64");
  EXPECT_ERROR(file.boolean("a.u8"), kFile, "m: a.u8: expected bool, found u8");
  EXPECT_ERROR(file.string("a.bool"), kFile, "m: a.bool: expected string, found bool");
  EXPECT_ERROR(file.u32_or("a.i16", 1), kFile, "m: a.i16: expected u32, found i16");
  EXPECT_ERROR(file.strings("l.i32"), kFile, "m: l.i32: expected array of string, found array of i32");
  EXPECT_ERROR(file.strings("general.architecture"), kFile,
               "m: general.architecture: expected array of string, found string");
  EXPECT_ERROR(file.f32s("l.i32"), kFile, "m: l.i32: expected array of f32, found array of i32");
  EXPECT_ERROR(file.u32s("l.bool"), kFile, "m: l.bool: expected array of u32, found array of bool");
  EXPECT_ERROR(file.u32_or_array("a.i32", 2), kFile, "m: a.i32: expected u32 or array of u32, found i32");
  EXPECT_ERROR(file.bool_or_array("a.u32", 2), kFile, "m: a.u32: expected bool or array of bool, found u32");
}

TEST(Access, AnAbsentKeyIsAnError) {
  const Bytes bytes = sample();
  const File file = File::from_memory("m", bytes);
  EXPECT_ERROR(file.u32("no"), kFile, "m: no: expected u32, found no such key");
  EXPECT_ERROR(file.string("no"), kFile, "m: no: expected string, found no such key");
  EXPECT_ERROR(file.strings("no"), kFile, "m: no: expected array of string, found no such key");
  EXPECT_ERROR(file.u32_or_array("no", 3), kFile, "m: no: expected u32 or array of u32, found no such key");
}

TEST(Access, AnElementThatDoesNotFitIsAnError) {
  const Bytes bytes = sample();
  const File file = File::from_memory("m", bytes);
  EXPECT_ERROR(file.u32s("l.i32"), kFile, "m: l.i32: expected array of u32, found -5 as element 1");
  EXPECT_ERROR(file.i32s("l.big"), kFile, "m: l.big: expected array of i32, found 3000000000 as element 1");
}

TEST(Access, AnotherLengthIsAnError) {
  const Bytes bytes = sample();
  const File file = File::from_memory("m", bytes);
  EXPECT_ERROR(file.u32_or_array("l.u32", 4), kFile, "m: l.u32: expected 4 elements, found 3");
  EXPECT_ERROR(file.bool_or_array("l.bool", 3, true), kFile, "m: l.bool: expected 3 elements, found 4");
}

}  // namespace
}  // namespace nextn::gguf
