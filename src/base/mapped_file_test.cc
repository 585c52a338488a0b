#include "base/mapped_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"

namespace nextn {
namespace {

class MappedFileTest : public ::testing::Test {
 protected:
  MappedFileTest() : dir_(std::filesystem::path(::testing::TempDir()) / ("mapped_file_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(dir_);
  }
  ~MappedFileTest() override { std::filesystem::remove_all(dir_); }

  std::string path(const std::string& name) const { return (dir_ / name).string(); }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }
  static void expect_error(const std::string& path, ErrorCode code, const std::string& message) {
    try {
      MappedFile file(path);
      ADD_FAILURE() << path << " was opened";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), code);
      EXPECT_EQ(std::string(e.what()), path + ": " + message);
    }
  }

  std::filesystem::path dir_;
};

TEST_F(MappedFileTest, HoldsTheBytesOfTheFile) {
  std::string bytes(3 * 4096 + 5, '\0');
  for (size_t i = 0; i < bytes.size(); i++) bytes[i] = static_cast<char>(i * 7);
  MappedFile file(write("a", bytes));
  EXPECT_EQ(file.path(), path("a"));
  ASSERT_EQ(file.bytes().size(), bytes.size());
  EXPECT_TRUE(std::equal(file.bytes().begin(), file.bytes().end(), reinterpret_cast<const uint8_t*>(bytes.data())));
  // Pages that were given back come again, whatever part was named.
  for (const size_t offset : {0, 1, 4096, 5000}) {
    for (const size_t size : {size_t{0}, size_t{1}, size_t{4096}, bytes.size() - offset}) {
      fetch_pages(file.bytes().data() + offset, size);
      drop_pages(file.bytes().data() + offset, size);
    }
  }
  EXPECT_TRUE(std::equal(file.bytes().begin(), file.bytes().end(), reinterpret_cast<const uint8_t*>(bytes.data())));
  const uint8_t* const data = file.bytes().data();
  const MappedFile moved = std::move(file);
  EXPECT_EQ(moved.bytes().data(), data);
  EXPECT_EQ(moved.bytes()[1], 7);
  EXPECT_TRUE(moved.is_mapped());
}

// How many pages of the map this process holds, or -1 where the system does not say.
int64_t pages_held(std::span<const uint8_t> map) {
  const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t first = reinterpret_cast<uintptr_t>(map.data()) / page;
  std::vector<uint64_t> entries((map.size() + page - 1) / page);
  const int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  const size_t bytes = entries.size() * sizeof(uint64_t);
  const ssize_t got = pread(fd, entries.data(), bytes, static_cast<off_t>(first * sizeof(uint64_t)));
  close(fd);
  if (got != static_cast<ssize_t>(bytes)) return -1;
  return std::count_if(entries.begin(), entries.end(), [](uint64_t entry) { return entry >> 63 != 0; });
}

constexpr size_t kWindow = 2 << 20;

TEST_F(MappedFileTest, BeginsWhereAWindowDoes) {
  for (const size_t size : {size_t{1}, kWindow - 1, kWindow, 2 * kWindow, 2 * kWindow + 1}) {
    const MappedFile file(write("a", std::string(size, 'x')));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(file.bytes().data()) % kWindow, 0u) << size;
    drop_pages(file.bytes().data(), size);
    EXPECT_EQ(file.bytes().back(), 'x') << size;
  }
}

TEST_F(MappedFileTest, GivesBackWhatCameInAroundAPage) {
  const MappedFile file(write("a", std::string(2 * kWindow + 4096, 'x')));
  const std::span<const uint8_t> map = file.bytes();
  for (const size_t offset : {size_t{0}, size_t{70000}, kWindow - 1, kWindow, map.size() - 1}) {
    static_cast<void>(*static_cast<const volatile uint8_t*>(&map[offset]));
    if (pages_held(map) <= 0) GTEST_SKIP() << "the system does not say which pages are in memory";
    drop_pages(map.data() + offset, 1);
    EXPECT_EQ(pages_held(map), 0) << "after byte " << offset;
  }
  EXPECT_EQ(map.back(), 'x');
}

TEST_F(MappedFileTest, ReadsWithoutTheMap) {
  std::string bytes(3 * 4096 + 5, '\0');
  for (size_t i = 0; i < bytes.size(); i++) bytes[i] = static_cast<char>(i * 7);
  const MappedFile file(write("a", bytes));
  std::string read(5000, 'x');
  EXPECT_TRUE(file.read(4000, read.size(), reinterpret_cast<uint8_t*>(read.data())));
  EXPECT_EQ(read, bytes.substr(4000, read.size()));
  std::filesystem::resize_file(path("a"), 4096);
  EXPECT_FALSE(file.read(4000, 5000, reinterpret_cast<uint8_t*>(read.data())));
}

TEST_F(MappedFileTest, AnEmptyFileHasNoBytes) {
  const MappedFile file(write("empty", ""));
  EXPECT_EQ(file.bytes().size(), 0u);
  EXPECT_FALSE(file.is_mapped());
}

TEST_F(MappedFileTest, BytesCanStandInForAFile) {
  const std::vector<uint8_t> bytes = {1, 2, 3};
  const MappedFile file("built in", bytes);
  EXPECT_EQ(file.path(), "built in");
  EXPECT_EQ(file.bytes().data(), bytes.data());
  EXPECT_FALSE(file.is_mapped());
  uint8_t read[2];
  EXPECT_TRUE(file.read(1, 2, read));
  EXPECT_EQ(read[1], 3);
}

TEST_F(MappedFileTest, WhatIsNotAFileIsAnError) {
  expect_error(path("missing"), ErrorCode::kSystem, "cannot open: No such file or directory");
  expect_error(write("file", "x") + "/below", ErrorCode::kSystem, "cannot open: Not a directory");
  expect_error(dir_.string(), ErrorCode::kFile, "expected a regular file");
  expect_error("/dev/null", ErrorCode::kFile, "expected a regular file");
  expect_error("", ErrorCode::kSystem, "cannot open: No such file or directory");
}

}  // namespace
}  // namespace nextn
