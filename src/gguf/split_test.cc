#include <gtest/gtest.h>

#include <array>
#include <filesystem>

#include "gguf/file.h"
#include "gguf/test_bytes.h"
#include "gguf/writer.h"

namespace nextn::gguf {
namespace {

struct Part {
  int no = 0;
  int count = 3;
  int n_tensors = 3;
  std::vector<std::string> names;  // tensors of one float each
};

Bytes part_bytes(const Part& part, uint32_t alignment = 32) {
  Writer w(alignment);
  if (part.no >= 0) w.add("split.no", static_cast<uint16_t>(part.no));
  if (part.count >= 0) w.add("split.count", static_cast<uint16_t>(part.count));
  if (part.n_tensors >= 0) w.add("split.tensors.count", static_cast<int32_t>(part.n_tensors));
  w.add("part", static_cast<uint32_t>(part.no));
  std::vector<Bytes> data;
  for (size_t i = 0; i < part.names.size(); i++) {
    w.add_tensor(part.names[i], std::array<int64_t, 1>{4}, DType::kI8);
    data.push_back(Bytes(4, static_cast<uint8_t>(16 * part.no + static_cast<int>(i))));
  }
  return w.bytes(data);
}

class Split : public testing::Test {
 protected:
  std::string path(int part) const { return dir_.path(fmt::format("m-{:05}-of-00003.gguf", part)); }
  void write(int part, const Part& p, uint32_t alignment = 32) const {
    dir_.write(fmt::format("m-{:05}-of-00003.gguf", part), part_bytes(p, alignment));
  }
  void write_good() const {
    write(1, {.no = 0, .names = {}});
    write(2, {.no = 1, .names = {"a", "b"}}, 64);
    write(3, {.no = 2, .names = {"c"}});
  }
  void expect_refused(ErrorCode code, const std::string& message) const {
    expect_error([&] { File::open(path(1)); }, code, message);
  }

  TempDir dir_;
};

TEST_F(Split, ReadsAllParts) {
  write_good();
  const File file = File::open(path(1));
  EXPECT_EQ(file.n_parts(), 3);
  EXPECT_EQ(file.path(), path(1));
  EXPECT_EQ(file.path(2), path(3));
  EXPECT_EQ(file.u32("part"), 0u);  // the first part's metadata
  ASSERT_EQ(file.tensors().size(), 3u);
  EXPECT_EQ(file.tensor("a")->part, 1);
  EXPECT_EQ(*file.tensor("a")->data, 16);
  EXPECT_EQ(*file.tensor("b")->data, 17);
  EXPECT_EQ(file.tensor("b")->file_offset, file.tensor("a")->file_offset + 64);
  EXPECT_EQ(file.tensor("c")->part, 2);
  EXPECT_EQ(*file.tensor("c")->data, 32);
  EXPECT_EQ(file.n_bytes(), std::filesystem::file_size(path(1)) + std::filesystem::file_size(path(2)) +
                                std::filesystem::file_size(path(3)));
  uint8_t byte = 0;
  EXPECT_TRUE(file.read(*file.tensor("c"), 0, 1, &byte));
  EXPECT_EQ(byte, 32);
}

TEST_F(Split, TheFirstPartMayHoldTensors) {
  write(1, {.no = 0, .names = {"a"}});
  write(2, {.no = 1, .names = {"b"}});
  write(3, {.no = 2, .names = {"c"}});
  EXPECT_EQ(File::open(path(1)).tensor("a")->part, 0);
}

TEST_F(Split, ACountOfOneIsAWholeFile) {
  for (const int count : {0, 1}) {
    const std::string path = dir_.write("any.gguf", part_bytes({.no = 0, .count = count, .names = {"a"}}));
    EXPECT_EQ(File::open(path).n_parts(), 1);
  }
}

TEST_F(Split, LaterPartsNeedNoCount) {
  write_good();
  write(2, {.no = 1, .count = -1, .n_tensors = -1, .names = {"a", "b"}});
  EXPECT_EQ(File::open(path(1)).tensors().size(), 3u);
}

TEST_F(Split, MissingPart) {
  write_good();
  std::filesystem::remove(path(2));
  expect_refused(ErrorCode::kSystem, path(2) + ": cannot open: No such file or directory");
}

TEST_F(Split, MisnumberedPart) {
  write_good();
  write(2, {.no = 2, .names = {"a", "b"}});
  expect_refused(ErrorCode::kFile, path(2) + ": split.no: expected 1, found 2");
  write(2, {.no = -1, .names = {"a", "b"}});
  expect_refused(ErrorCode::kFile, path(2) + ": split.no: expected u16, found no such key");
}

TEST_F(Split, PartOfAnotherSplit) {
  write_good();
  write(3, {.no = 2, .count = 4, .names = {"c"}});
  expect_refused(ErrorCode::kFile, path(3) + ": split.count: expected 3, found 4");
}

TEST_F(Split, DamagedPart) {
  write_good();
  dir_.write("m-00003-of-00003.gguf", Raw().text("GGUF"));
  expect_refused(ErrorCode::kFile, path(3) + ": byte 4: expected 4 bytes for the version, found 0");
}

TEST_F(Split, OpeningALaterPart) {
  write_good();
  expect_error([&] { File::open(path(2)); }, ErrorCode::kFile,
               path(2) + ": split.no: expected 0 (the first part is the one to open), found 1");
}

TEST_F(Split, NameAgainstKeys) {
  write_good();
  const std::string renamed = dir_.path("model.gguf");
  std::filesystem::copy_file(path(1), renamed);
  expect_error([&] { File::open(renamed); }, ErrorCode::kFile,
               renamed + ": split.count: expected a file name that ends in -00001-of-00003.gguf, found another");
  write(1, {.no = 0, .count = 2, .names = {}});
  expect_refused(ErrorCode::kFile,
                 path(1) + ": split.count: expected a file name that ends in -00001-of-00002.gguf, found another");
}

TEST_F(Split, TensorOfTwoParts) {
  write_good();
  write(3, {.no = 2, .names = {"b"}});
  expect_refused(ErrorCode::kFile, path(3) + ": b: expected one tensor of this name, found another in " + path(2));
}

TEST_F(Split, TensorCount) {
  write_good();
  write(1, {.no = 0, .n_tensors = 4, .names = {}});
  expect_refused(ErrorCode::kFile, path(1) + ": split.tensors.count: expected 4 tensors in all parts, found 3");
  write(1, {.no = 0, .n_tensors = -1, .names = {}});
  expect_refused(ErrorCode::kFile, path(1) + ": split.tensors.count: expected i32, found no such key");
}

TEST_F(Split, TypesOfTheKeys) {
  Writer count;
  count.add("split.count", uint32_t{3});
  dir_.write("m-00001-of-00003.gguf", count.header());
  expect_refused(ErrorCode::kFile, path(1) + ": split.count: expected u16, found u32");

  Writer no;
  no.add("split.count", uint16_t{3});
  no.add("split.no", int32_t{0});
  dir_.write("m-00001-of-00003.gguf", no.header());
  expect_refused(ErrorCode::kFile, path(1) + ": split.no: expected u16, found i32");

  Writer tensors;
  tensors.add("split.count", uint16_t{3});
  tensors.add("split.no", uint16_t{0});
  tensors.add("split.tensors.count", uint32_t{3});
  dir_.write("m-00001-of-00003.gguf", tensors.header());
  expect_refused(ErrorCode::kFile, path(1) + ": split.tensors.count: expected i32, found u32");
}

TEST_F(Split, APartInMemoryIsNotAModel) {
  const Bytes bytes = part_bytes({.no = 0, .names = {}});
  expect_error([&] { File::from_memory("m", bytes); }, ErrorCode::kFile,
               "m: split.count: expected a whole model, found one part of 3");
}

}  // namespace
}  // namespace nextn::gguf
