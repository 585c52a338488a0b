// A tied file holds its table once and computes what a file with a copy of it computes.
#include <numeric>

#include "tiny_model.h"

namespace nextn {
namespace {

uint64_t bytes_of(Engine& engine, WeightRole role) {
  return engine.model().weight_bytes()[static_cast<size_t>(role)];
}

// tied: without output.weight.
void expect_equal_to_a_copy(TestModel tied) {
  const std::vector<int32_t> tokens = random_tokens(4, 20);
  const Bytes tied_bytes = tied.bytes();
  const Bytes copied_bytes = tied.add_copy("output.weight", "token_embd.weight").bytes();
  Engine one(memory_options(tied_bytes)), two(memory_options(copied_bytes));
  EXPECT_TRUE(one.model().info().tied);
  EXPECT_FALSE(two.model().info().tied);
  expect_same(dump(one, tokens), dump(two, tokens));

  EXPECT_EQ(bytes_of(one, WeightRole::kEmbedding), 0u);
  EXPECT_EQ(bytes_of(one, WeightRole::kLmHead), bytes_of(two, WeightRole::kLmHead));
  EXPECT_EQ(bytes_of(two, WeightRole::kEmbedding), 0u);  // it stays in the file
  EXPECT_EQ(two.model().weights().file_bytes()[static_cast<size_t>(WeightRole::kEmbedding)],
            tied.tensor("token_embd.weight").n_bytes());
  EXPECT_EQ(bytes_of(one, WeightRole::kTrunk), bytes_of(two, WeightRole::kTrunk));
  EXPECT_EQ(bytes_of(one, WeightRole::kMtpHead), bytes_of(two, WeightRole::kMtpHead));
}

TEST(Tied, GeneratedFile) {
  expect_equal_to_a_copy(TestModel("tiny-tied-q4_k_m"));
}

TEST(Tied, EveryTypeOfTable) {
  for (const char* name : {"tiny-loud-f32", "tiny-loud-f16", "tiny-loud-q8_0", "tiny-loud-q4_k_m"}) {
    SCOPED_TRACE(name);
    TestModel m(name);
    expect_equal_to_a_copy(m.remove("output.weight"));
  }
}

// The head's own tables, when a tied file has them, are not the trunk's.
TEST(Tied, HeadWithTablesOfItsOwn) {
  const std::vector<int32_t> tokens = random_tokens(5, 12);
  TestModel m("tiny-tied-q4_k_m");
  const Dump shared = dump(m, tokens);
  m.add_copy("blk.4.nextn.embed_tokens.weight", "token_embd.weight");
  m.add_copy("blk.4.nextn.shared_head_head.weight", "token_embd.weight");
  expect_same(dump(m, tokens), shared);
}

}  // namespace
}  // namespace nextn
