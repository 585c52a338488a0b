#include "base/system_memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace nextn {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

// A machine's /proc and /sys in a folder.
class SystemMemory : public testing::Test {
 protected:
  void SetUp() override {
    root_ = testing::TempDir() + "system_memory_" + testing::UnitTest::GetInstance()->current_test_info()->name();
    write("/proc/meminfo", "MemTotal:       33554432 kB\nMemFree:         1048576 kB\nMemAvailable:   16777216 kB\n");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }

  std::string root_;
};

TEST_F(SystemMemory, WithoutGroupsItIsTheMachines) {
  const AvailableMemory memory = available_memory(root_);
  EXPECT_EQ(memory.bytes, 16 * kGiB);
  EXPECT_EQ(memory.limited_by, "the machine");
  EXPECT_EQ(available_memory("/nowhere").bytes, UINT64_MAX);
}

TEST_F(SystemMemory, AVersion2GroupLimitsAndItsCachedPagesAreAvailable) {
  write("/proc/self/cgroup", "0::/user.slice/one.scope\n");
  write("/sys/fs/cgroup/user.slice/one.scope/memory.max", "4294967296\n");
  write("/sys/fs/cgroup/user.slice/one.scope/memory.current", "3221225472\n");
  write("/sys/fs/cgroup/user.slice/one.scope/memory.stat",
        "anon 1073741824\nfile 2147483648\ninactive_file 1610612736\nactive_file 536870912\n");
  EXPECT_EQ(available_memory(root_).bytes, 3 * kGiB);
  EXPECT_EQ(available_memory(root_).limited_by, root_ + "/sys/fs/cgroup/user.slice/one.scope/memory.max");
}

TEST_F(SystemMemory, AParentLimitsToo) {
  write("/proc/self/cgroup", "0::/a/b\n");
  write("/sys/fs/cgroup/a/b/memory.max", "max\n");
  write("/sys/fs/cgroup/a/b/memory.current", "100\n");
  write("/sys/fs/cgroup/a/memory.max", "2147483648\n");
  write("/sys/fs/cgroup/a/memory.current", "1073741824\n");
  EXPECT_EQ(available_memory(root_).bytes, kGiB);
}

TEST_F(SystemMemory, AVersion1GroupLimits) {
  write("/proc/self/cgroup", "9:name=systemd:/\n5:cpu,memory:/box\n0::/\n");
  write("/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "2147483648\n");
  write("/sys/fs/cgroup/memory/box/memory.usage_in_bytes", "1610612736\n");
  write("/sys/fs/cgroup/memory/box/memory.stat", "inactive_file 7\ntotal_inactive_file 1073741824\n");
  EXPECT_EQ(available_memory(root_).bytes, 2 * kGiB - kGiB / 2);
  // No limit is a number larger than any memory.
  write("/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(available_memory(root_).limited_by, "the machine");
}

TEST_F(SystemMemory, InAContainerTheMountIsTheGroup) {
  write("/proc/self/cgroup", "0::/docker/0123\n");
  write("/sys/fs/cgroup/memory.max", "1073741824\n");
  write("/sys/fs/cgroup/memory.current", "0\n");
  EXPECT_EQ(available_memory(root_).bytes, kGiB);
}

TEST_F(SystemMemory, AGroupBeyondItsLimitHasNothingLeft) {
  write("/proc/self/cgroup", "0::/\n");
  write("/sys/fs/cgroup/memory.max", "1000\n");
  write("/sys/fs/cgroup/memory.current", "2000\n");
  EXPECT_EQ(available_memory(root_).bytes, 0u);
}

TEST(ParseSize, TakesUnits) {
  EXPECT_EQ(parse_size("1024"), 1024u);
  EXPECT_EQ(parse_size("2G"), 2 * kGiB);
  EXPECT_EQ(parse_size("2.5g"), 5 * kGiB / 2);
  EXPECT_EQ(parse_size("512MiB"), 512u << 20);
  EXPECT_EQ(parse_size("512MB"), 512u << 20);
  EXPECT_EQ(parse_size("3k"), 3072u);
  EXPECT_EQ(parse_size("1T"), kGiB << 10);
  for (const char* wrong : {"", "G", "0", "-1", "x", "1X", "1GG", "1 G", "nan", "inf", "9e9", "99999999T", "0.5"}) {
    EXPECT_EQ(parse_size(wrong), std::nullopt) << wrong;
  }
}

}  // namespace
}  // namespace nextn
