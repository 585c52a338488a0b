#include "base/aligned_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace nextn {
namespace {

TEST(AlignedBuffer, IsAlignedZeroedAndWritable) {
  for (const size_t size : {size_t{1}, size_t{63}, size_t{4096}, size_t{(4 << 20) + 3}}) {
    AlignedBuffer buffer(size);
    ASSERT_EQ(buffer.size(), size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 64, 0u);
    EXPECT_EQ(std::count(buffer.data(), buffer.data() + size, 0), static_cast<int64_t>(size));
    std::fill_n(buffer.data(), size, 1);
    EXPECT_EQ(buffer.as<int8_t>()[size - 1], 1);
  }
}

TEST(AlignedBuffer, NothingIsNoMemory) {
  EXPECT_EQ(AlignedBuffer().data(), nullptr);
  EXPECT_EQ(AlignedBuffer(0).data(), nullptr);
  EXPECT_EQ(AlignedBuffer(0).size(), 0u);
}

TEST(AlignedBuffer, MovesWithItsBytes) {
  AlignedBuffer a(100), b(200);
  uint8_t* const data = a.data();
  data[99] = 7;
  b = std::move(a);
  EXPECT_EQ(b.data(), data);
  EXPECT_EQ(b.size(), 100u);
  const AlignedBuffer c = std::move(b);
  EXPECT_EQ(c.data()[99], 7);
}

TEST(AlignedBuffer, TooMuchIsAnError) {
  try {
    AlignedBuffer buffer(size_t{1} << 60);
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kSystem);
    EXPECT_STREQ(e.what(), "memory: expected 1152921504606846976 bytes, the system has not got them");
  }
}

}  // namespace
}  // namespace nextn
