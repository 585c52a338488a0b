#include "base/machine.h"

#include <gtest/gtest.h>

#include "base/aligned_buffer.h"

namespace nextn {
namespace {

TEST(Machine, HasAName) {
  EXPECT_FALSE(cpu_name().empty());
}

TEST(Machine, PeakGrowsWithMemoryThatIsUsed) {
  const uint64_t before = peak_resident_bytes();
  constexpr size_t kBytes = 64u << 20;
  AlignedBuffer buffer(kBytes);
  for (size_t i = 0; i < kBytes; i += 4096) buffer.data()[i] = 1;
  EXPECT_GE(peak_resident_bytes(), std::max(before, static_cast<uint64_t>(kBytes)));
}

// No machine reads slower than a disk or faster than its caches.
TEST(Machine, ReadRate) {
  ThreadPool pool(2);
  const double rate = measure_read_rate(pool);
  EXPECT_GT(rate, 2e8);
  EXPECT_LT(rate, 5e12);
}

}  // namespace
}  // namespace nextn
