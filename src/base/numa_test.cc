#include "base/numa.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace nextn {
namespace {

TEST(Numa, ReadsListsOfCpus) {
  EXPECT_EQ(parse_cpu_list("0-3,8"), (std::vector<int>{0, 1, 2, 3, 8}));
  EXPECT_EQ(parse_cpu_list("5"), std::vector<int>{5});
  EXPECT_EQ(parse_cpu_list("1,2\n"), (std::vector<int>{1, 2}));
  for (const char* wrong : {"", "x", "-1", "3-1", "0-99999999"}) EXPECT_TRUE(parse_cpu_list(wrong).empty()) << wrong;
}

TEST(Numa, ReadsTheNodesThatHaveCpus) {
  const std::string root = testing::TempDir() + "numa_test", folder = root + "/sys/devices/system/node/";
  for (const auto& [name, text] : {std::pair("online", "0-2"), std::pair("node0/cpulist", "0-1"),
                                   std::pair("node1/cpulist", ""), std::pair("node2/cpulist", "2,3")}) {
    std::filesystem::create_directories(std::filesystem::path(folder + name).parent_path());
    std::ofstream(folder + name) << text << "\n";
  }
  const std::vector<NumaNode> nodes = numa_nodes(root);
  std::filesystem::remove_all(root);
  ASSERT_EQ(nodes.size(), 2u);
  EXPECT_EQ(nodes[0].id, 0);
  EXPECT_EQ(nodes[1].id, 2);
  EXPECT_EQ(nodes[1].cpus, (std::vector<int>{2, 3}));
  EXPECT_TRUE(numa_nodes("/nowhere").empty());
}

TEST(Numa, PlacesATeam) {
  const std::vector<NumaNode> nodes = {{0, {0, 1}}, {3, {2, 3}}};
  const std::vector<int>&first = nodes[0].cpus, &second = nodes[1].cpus;
  for (int i = 0; i < 4; i++) {
    EXPECT_TRUE(cpus_of_thread(Numa::kNone, nodes, 2, i).empty());
    EXPECT_EQ(cpus_of_thread(Numa::kDistribute, nodes, 2, i), i % 2 == 0 ? first : second);
    EXPECT_EQ(cpus_of_thread(Numa::kIsolate, nodes, 2, i), second) << "all where the first one is";
    EXPECT_TRUE(cpus_of_thread(Numa::kIsolate, nodes, 9, i).empty()) << "on no node";
    EXPECT_TRUE(cpus_of_thread(Numa::kDistribute, {}, 2, i).empty());
  }
}

TEST(Numa, PinsTheCallingThread) {
  std::thread([] {
    const int cpu = sched_getcpu();
    pin_to({cpu});
    cpu_set_t set;
    ASSERT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
    EXPECT_EQ(CPU_COUNT(&set), 1);
    EXPECT_TRUE(CPU_ISSET(cpu, &set));
  }).join();
}

}  // namespace
}  // namespace nextn
