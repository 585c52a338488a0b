#include "state/sequence_state.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace nextn {
namespace {

StateShape tiny_shape(int64_t max_draft = 3) {
  StateShape s;
  s.layers = {LayerKind::kDeltaNet, LayerKind::kAttention, LayerKind::kDeltaNet, LayerKind::kAttention};
  s.n_ctx = 40;
  s.max_draft = max_draft;
  s.n_embd = 24;
  s.n_kv_heads = 2;
  s.head_dim = 32;
  s.k_type = KvType::kQ8_0;
  s.v_type = KvType::kF32;
  s.n_key_heads = 2;
  s.n_value_heads = 4;
  s.key_dim = s.value_dim = 16;
  s.conv_channels = 2 * 2 * 16 + 4 * 16;
  s.conv_taps = 4;
  return s;
}

void step(SequenceState& state, int n_sure, int n_draft, int n_accepted) {
  state.begin_step(n_sure, n_draft);
  state.end_step();
  state.commit(n_accepted);
}

TEST(SequenceState, LengthAndPendingFollowTheProtocol) {
  SequenceState state(tiny_shape());
  EXPECT_EQ(state.length(), 0);
  EXPECT_EQ(state.n_pending(), 0);

  state.begin_step(5, 0);  // a prompt
  EXPECT_EQ(state.n_sure(), 5);
  EXPECT_EQ(state.n_draft(), 0);
  EXPECT_EQ(state.length(), 0) << "the rows of a running step stand from length() on";
  state.end_step();
  EXPECT_EQ(state.length(), 5);
  state.commit(0);
  EXPECT_EQ(state.length(), 5);
  EXPECT_EQ(state.n_pending(), 0);

  state.begin_step(1, 3);
  EXPECT_EQ(state.n_draft(), 3);
  EXPECT_EQ(state.length(), 5);
  state.end_step();
  EXPECT_EQ(state.length(), 6) << "drafts are not in before they are accepted";
  EXPECT_EQ(state.n_pending(), 0);
  state.commit(2);
  EXPECT_EQ(state.length(), 8);
  EXPECT_EQ(state.n_pending(), 2);
  EXPECT_EQ(state.delta(0).n_pending, 2);
  EXPECT_EQ(state.n_sure() + state.n_draft(), 0);

  state.begin_step(0, 0);  // nothing but the replay
  EXPECT_EQ(state.delta(2).n_pending, 2) << "for the running step to replay";
  state.end_step();
  EXPECT_EQ(state.n_pending(), 0) << "replayed";
  state.commit(0);
  EXPECT_EQ(state.length(), 8);
}

TEST(SequenceState, DraftsOneByOneAreOpenUntilCommitted) {
  SequenceState state(tiny_shape());
  step(state, 4, 2, 2);
  EXPECT_EQ(state.n_pending(), 2);
  for (int drafts_of_first : {0, 1}) {
    const int64_t before = state.length();
    state.begin_step(1, drafts_of_first);
    EXPECT_EQ(state.position(), before);
    state.end_step();
    const DeltaView first = state.delta(0);
    for (int i = drafts_of_first; i < 3; i++) {
      state.begin_step(0, 1);
      EXPECT_EQ(state.position(), before + 1 + i);
      EXPECT_EQ(state.length(), before + 1);
      const DeltaView now = state.delta(0);
      EXPECT_EQ(now.n_pending, i);
      EXPECT_EQ(now.keep, i == 0) << "there is nothing to leave out";
      if (i > 0) {
        EXPECT_EQ(now.fresh, now.pending + i * now.record_stride);
      }
      EXPECT_EQ(now.state, first.state);
      state.end_step();
    }
    state.commit(2);
    EXPECT_EQ(state.length(), before + 3);
    EXPECT_EQ(state.position(), before + 3);
    EXPECT_EQ(state.delta(0).n_pending, 2);
    EXPECT_TRUE(state.delta(0).keep);
  }
}

TEST(SequenceState, BanksAlternate) {
  SequenceState state(tiny_shape());
  for (int n = 0; n < 6; n++) {
    for (const int layer : {0, 2}) {
      const DeltaView before = state.delta(layer);
      EXPECT_NE(before.fresh, before.pending);
      state.begin_step(1, 2);
      EXPECT_EQ(state.delta(layer).fresh, before.fresh) << "the same views all through a step";
      state.end_step();
      state.commit(n % 3);
      const DeltaView after = state.delta(layer);
      EXPECT_EQ(after.pending, before.fresh) << "what was recorded is pending";
      EXPECT_EQ(after.fresh, before.pending);
      EXPECT_EQ(after.state, before.state);
    }
  }
}

// 600 positions are two pieces of 256 and one of 88.
TEST(KvView, APieceHasItsHeadsOneAfterTheOther) {
  constexpr int64_t kContext = 600, kHeads = 3, kDim = 32;
  std::vector<uint8_t> bytes(static_cast<size_t>(kv_layer_bytes(kContext, kHeads, kDim, KvType::kQ8_0, KvType::kF16)));
  const KvView kv = kv_view(bytes.data(), kContext, kHeads, kDim, KvType::kQ8_0, KvType::kF16);
  int64_t n = 0;
  for (int64_t first = 0; first < kContext; first += 256) {
    for (int64_t h = 0; h < kHeads; h++) {
      for (int64_t p = first; p < std::min<int64_t>(first + 256, kContext); p++, n++) {
        ASSERT_EQ(kv.key(p, h), bytes.data() + n * 34) << p << ", " << h;
        ASSERT_EQ(kv.value(p, h), kv.v + n * 64) << p << ", " << h;
      }
    }
  }
  EXPECT_EQ(kv.v, bytes.data() + (n * 34 + 63) / 64 * 64);
  EXPECT_EQ(kv.v + n * 64, bytes.data() + bytes.size());

  std::vector<int64_t> runs;
  for_kv_runs(kv, 300,
              [&](int64_t position, int64_t head, int64_t count) { runs.insert(runs.end(), {position, head, count}); });
  EXPECT_EQ(runs, (std::vector<int64_t>{0, 0, 256, 0, 1, 256, 0, 2, 256, 256, 0, 44, 256, 1, 44, 256, 2, 44}));
}

// Writes another byte to every part of every view: the parts overlap nowhere and fill what was taken.
TEST(SequenceState, ViewsShareNoBytes) {
  SequenceState state(tiny_shape());
  const StateShape& s = state.shape();
  struct Part {
    uint8_t* data;
    int64_t size;
  };
  std::vector<Part> parts;
  size_t kv = 0, delta = 0, records = 0;
  for (int layer = 0; layer < 4; layer++) {
    if (s.layers[static_cast<size_t>(layer)] == LayerKind::kAttention) {
      const KvView v = state.kv(layer);
      EXPECT_EQ(v.k_type, KvType::kQ8_0);
      EXPECT_EQ(v.v_type, KvType::kF32);
      EXPECT_EQ(v.n_heads, 2);
      EXPECT_EQ(v.k_stride, 34);
      EXPECT_EQ(v.v_stride, 128);
      parts.push_back({v.k, 40 * 2 * 34});
      parts.push_back({v.v, 40 * 2 * 128});
      kv += (40 * 2 * 34 + 63) / 64 * 64 + 40 * 2 * 128;  // the keys are filled up to a cache line
    } else {
      const DeltaView d = state.delta(layer);
      const ConvView c = state.conv(layer);
      EXPECT_EQ(d.record_stride, 2 * 16 + 4 * (16 + 2));
      EXPECT_EQ(c.n_slots, 4 - 1 + 3);
      const int64_t bank = s.max_draft * d.record_stride * 4;
      parts.push_back({reinterpret_cast<uint8_t*>(d.state), 4 * 16 * 16 * 4});
      parts.push_back({reinterpret_cast<uint8_t*>(const_cast<float*>(d.pending)), bank});
      parts.push_back({reinterpret_cast<uint8_t*>(d.fresh), bank});
      parts.push_back({reinterpret_cast<uint8_t*>(c.columns), c.n_slots * s.conv_channels * 4});
      const int64_t past = s.conv_taps - 1;  // columns; those of drafts count as records
      delta += (4 * 16 * 16 + past * s.conv_channels) * 4;
      records += 2 * bank + (c.n_slots - past) * s.conv_channels * 4;
    }
  }
  parts.push_back({reinterpret_cast<uint8_t*>(state.pending_hidden()), 24 * 4});
  for (size_t i = 0; i < parts.size(); i++) std::fill_n(parts[i].data, parts[i].size, static_cast<uint8_t>(i + 1));
  for (size_t i = 0; i < parts.size(); i++) {
    EXPECT_EQ(std::count(parts[i].data, parts[i].data + parts[i].size, i + 1), parts[i].size) << "part " << i;
  }
  delta += 24 * 4;  // the pending hidden state
  EXPECT_EQ(state.kv_bytes_taken(), kv);
  EXPECT_EQ(state.delta_bytes_taken(), delta);
  EXPECT_EQ(state.record_bytes_taken(), records);
  const SequenceBytes known = sequence_bytes(state.shape());
  EXPECT_EQ(known.kv, kv);
  EXPECT_EQ(known.delta, delta);
  EXPECT_EQ(known.records, records);
}

TEST(SequenceState, OnlyRecordsGrowWithTheDraft) {
  const SequenceState none(tiny_shape(0));
  EXPECT_EQ(none.record_bytes_taken(), 0u);
  for (int64_t max_draft = 1; max_draft <= 16; max_draft++) {
    const SequenceState some(tiny_shape(max_draft));
    EXPECT_EQ(some.kv_bytes_taken(), none.kv_bytes_taken());
    EXPECT_EQ(some.delta_bytes_taken(), none.delta_bytes_taken());
    EXPECT_EQ(some.record_bytes_taken(), static_cast<size_t>(2 * max_draft * (2 * 104 + 128) * 4));
  }
}

TEST(SequenceState, ClearIsANewSequence) {
  SequenceState state(tiny_shape());
  step(state, 4, 3, 2);
  for (const int layer : {0, 2}) std::fill_n(state.delta(layer).state, 4 * 16 * 16, 1.0f);
  std::fill_n(state.pending_hidden(), 24, 1.0f);
  state.clear();
  EXPECT_EQ(state.length(), 0);
  EXPECT_EQ(state.n_pending(), 0);
  for (const int layer : {0, 2}) {
    const float* const s = state.delta(layer).state;
    EXPECT_EQ(std::count(s, s + 4 * 16 * 16, 0.0f), 4 * 16 * 16);
  }
  EXPECT_EQ(std::count(state.pending_hidden(), state.pending_hidden() + 24, 0.0f), 24);
  step(state, 2, 1, 1);
  EXPECT_EQ(state.length(), 3);
}

TEST(SequenceState, RestoreSetsALengthWithNothingPending) {
  SequenceState state(tiny_shape());
  step(state, 4, 3, 3);
  state.restore(5);
  EXPECT_EQ(state.length(), 5);
  EXPECT_EQ(state.n_pending(), 0);
  state.restore(40);
  EXPECT_EQ(state.length(), 40);
}

TEST(SequenceStateDeathTest, LimitsAreChecked) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  SequenceState state(tiny_shape());
  step(state, 38, 2, 0);
  EXPECT_EQ(state.length(), 38);
  step(state, 1, 1, 1);  // to the last position
  EXPECT_EQ(state.length(), 40);
  EXPECT_DEATH(state.begin_step(1, 0), "n_ctx");
  state.clear();
  EXPECT_DEATH(state.begin_step(1, 4), "max_draft");
  EXPECT_DEATH(state.begin_step(-1, 0), "n_sure >= 0");
  state.begin_step(1, 2);
  state.end_step();
  EXPECT_DEATH(state.commit(3), "n_accepted <= n_open_ . n_draft_");
  EXPECT_DEATH(state.commit(-1), "n_accepted >= 0");
  EXPECT_DEATH(state.begin_step(1, 0), "n_sure == 0");  // while drafts are open
  EXPECT_DEATH(state.begin_step(0, 2), "max_draft");
  EXPECT_DEATH(state.restore(41), "n_ctx");
}

}  // namespace
}  // namespace nextn
