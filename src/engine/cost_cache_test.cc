#include "engine/cost_cache.h"

#include <gtest/gtest.h>

#include <fstream>

namespace nextn {
namespace {

namespace fs = std::filesystem;

class CostCacheTest : public testing::Test {
 protected:
  void SetUp() override { fs::remove_all(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path folder_ = fs::path(testing::TempDir()) / "nextn_cost_cache_test" / "a" / "b";
};

TEST_F(CostCacheTest, GivesBackWhatWasStored) {
  const CostCache cache(folder_, "this machine");
  EXPECT_FALSE(cache.load());
  cache.store(StepCosts({10, 11.5, 13}, {1.25, 0.75}, {2.5, 1.5}));
  const std::optional<StepCosts> costs = cache.load();
  ASSERT_TRUE(costs);
  EXPECT_EQ(costs->max_rows(), 3);
  EXPECT_EQ(costs->verify(2), 11.5);
  EXPECT_EQ(costs->drafts(DraftKind::kHead, 1), 1.25);
  EXPECT_EQ(costs->drafts(DraftKind::kHead, 3), 2.75);
  EXPECT_EQ(costs->drafts(DraftKind::kModel, 2), 4);
  EXPECT_FALSE(CostCache(folder_, "another machine").load());
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(CostCacheTest, DamagedFilesAndFoldersThatCannotBeWrittenAreNoErrors) {
  const CostCache cache(folder_, "this machine");
  cache.store(StepCosts({10, 11}, {1, 1}));
  for (const char* const text :
       {"", "{", "[]", R"({"key": "this machine"})",
        R"({"key": "this machine", "verify_ms": [], "head_draft_ms": [1, 1], "model_draft_ms": [1, 1]})",
        R"({"key": "this machine", "verify_ms": [-1], "head_draft_ms": [1, 1], "model_draft_ms": [1, 1]})",
        R"({"key": "other", "verify_ms": [1], "head_draft_ms": [1, 1], "model_draft_ms": [1, 1]})",
        R"({"key": "this machine", "verify_ms": "1", "head_draft_ms": [1, 1], "model_draft_ms": [1, 1]})",
        R"({"key": "this machine", "verify_ms": [1], "head_draft_ms": [1], "model_draft_ms": 1})"}) {
    std::ofstream(cache.path()) << text;
    EXPECT_FALSE(cache.load()) << text;
  }
  std::ofstream(folder_.parent_path() / "file") << "in the way";
  const CostCache blocked(folder_.parent_path() / "file" / "c", "this machine");
  blocked.store(StepCosts({10, 11}, {1, 1}));
  EXPECT_FALSE(blocked.load());
  const CostCache none("", "this machine");
  none.store(StepCosts({10, 11}, {1, 1}));
  EXPECT_FALSE(none.load());
}

}  // namespace
}  // namespace nextn
