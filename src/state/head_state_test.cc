#include "state/head_state.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace nextn {
namespace {

constexpr int kEmbd = 8, kBacklogLimit = 5;

StateShape tiny_shape() {
  StateShape s;
  s.n_ctx = 20;
  s.n_embd = kEmbd;
  s.n_kv_heads = 2;
  s.head_dim = 64;
  return s;
}

HeadState make() {
  return HeadState(tiny_shape(), KvType::kQ8_0, KvType::kF16, kBacklogLimit);
}

// The hidden state of position p, as far as these tests are concerned: a row of p + 1.
void push(HeadState& head, int p) {
  const std::vector<float> hidden(kEmbd, static_cast<float>(p + 1));
  head.push_hidden(hidden.data());
}

// The first value of each row of the backlog.
std::vector<float> waiting(const HeadState& head) {
  std::vector<float> first;
  for (int i = 0; i < head.backlog(); i++) {
    const float* const row = head.backlog_hidden() + i * kEmbd;
    EXPECT_EQ(std::count(row, row + kEmbd, row[0]), kEmbd);
    first.push_back(row[0]);
  }
  return first;
}

using Rows = std::vector<float>;

TEST(HeadState, BeginsWithARowOfZeros) {
  const HeadState head = make();
  EXPECT_EQ(head.length(), 0);
  EXPECT_EQ(waiting(head), Rows{0});
  EXPECT_EQ(head.backlog_limit(), kBacklogLimit);
}

TEST(HeadState, BacklogIsAQueue) {
  HeadState head = make();
  for (int p = 0; p < 4; p++) push(head, p);
  EXPECT_EQ(waiting(head), (Rows{0, 1, 2, 3, 4}));  // full
  EXPECT_EQ(head.length(), 0);
  head.consume(2);
  EXPECT_EQ(head.length(), 2);
  EXPECT_EQ(waiting(head), (Rows{2, 3, 4})) << "begins with the hidden state of length() - 1";
  push(head, 4);
  head.consume(0);
  head.consume(3);
  EXPECT_EQ(head.length(), 5);
  EXPECT_EQ(waiting(head), Rows{5});
  head.consume(1);
  EXPECT_EQ(head.length(), 6);
  EXPECT_EQ(head.backlog(), 0);
}

TEST(HeadState, ExtendAddsRowsThatNeverWaited) {
  HeadState head = make();
  head.consume(1);
  head.extend(7);
  EXPECT_EQ(head.length(), 8);
  EXPECT_EQ(head.backlog(), 0);
  push(head, 7);
  EXPECT_EQ(waiting(head), Rows{8});
}

TEST(HeadState, ClearAndRestore) {
  HeadState head = make();
  for (int p = 0; p < 3; p++) push(head, p);
  head.consume(2);
  const std::vector<float> hidden(kEmbd, 42.0f);
  head.restore(9, hidden.data());
  EXPECT_EQ(head.length(), 9);
  EXPECT_EQ(waiting(head), Rows{42});
  head.clear();
  EXPECT_EQ(head.length(), 0);
  EXPECT_EQ(waiting(head), Rows{0});
}

TEST(HeadState, KeysAndValuesShareNoBytes) {
  HeadState head = make();
  const KvView v = head.kv();
  EXPECT_EQ(v.k_type, KvType::kQ8_0);
  EXPECT_EQ(v.v_type, KvType::kF16);
  EXPECT_EQ(v.n_heads, 2);
  EXPECT_EQ(v.k_stride, 68);
  EXPECT_EQ(v.v_stride, 128);
  // The keys are filled up to a cache line.
  const int64_t keys = (20 * 2 * v.k_stride + 63) / 64 * 64;
  EXPECT_EQ(v.v, v.k + keys);
  EXPECT_EQ(head.kv_bytes_taken(), static_cast<size_t>(keys + 20 * 2 * v.v_stride));
  EXPECT_EQ(head.backlog_bytes_taken(), static_cast<size_t>(kBacklogLimit * kEmbd * 4));
}

TEST(HeadStateDeathTest, LimitsAreChecked) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  HeadState head = make();
  EXPECT_DEATH(head.consume(2), "n <= backlog_");
  for (int p = 0; p < 4; p++) push(head, p);
  EXPECT_DEATH(push(head, 4), "backlog_limit_");
  const std::vector<float> hidden(kEmbd);
  EXPECT_DEATH(head.restore(21, hidden.data()), "n_ctx_");
}

}  // namespace
}  // namespace nextn
