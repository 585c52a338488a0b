// Several sequences in one step compute what each computes alone, bit for bit: hidden states, and what the sequences
// remember afterwards.
#include <algorithm>

#include "tiny_model.h"

namespace nextn {
namespace {

using Rows = std::vector<std::vector<float>>;

// A sequence's rows in one step of the trunk, and how many of its drafts are kept.
struct Part {
  int n_sure, n_draft, n_accepted;
};
using Plan = std::vector<Part>;  // step by step; a step of no rows is one without this sequence

const Plan kPlans[] = {
    {{5, 0, 0}, {1, 3, 2}, {1, 2, 0}, {0, 0, 0}, {1, 1, 1}, {1, 3, 3}, {2, 0, 0}},
    {{1, 0, 0}, {3, 0, 0}, {2, 1, 0}, {1, 3, 1}, {0, 0, 0}, {7, 2, 2}, {1, 0, 0}},
    {{270, 0, 0}, {1, 1, 1}, {1, 3, 3}, {1, 3, 0}, {30, 0, 0}, {1, 0, 0}, {1, 0, 0}},
    {{17, 3, 0}, {0, 0, 0}, {1, 0, 0}, {1, 2, 1}, {1, 2, 2}, {1, 1, 0}, {3, 0, 0}},
};

void append(Bytes& out, const void* data, int64_t n) {
  const auto* p = static_cast<const uint8_t*>(data);
  out.insert(out.end(), p, p + n);
}

void append_kv(Bytes& out, const KvView& kv, const StateShape& shape, int64_t length) {
  for (int64_t p = 0; p < length; p++) {
    for (int64_t h = 0; h < shape.n_kv_heads; h++) {
      append(out, kv.key(p, h), kv_bytes(kv.k_type, shape.head_dim));
      append(out, kv.value(p, h), kv_bytes(kv.v_type, shape.head_dim));
    }
  }
}

// Everything a sequence remembers that has no drafts pending.
Bytes memory_of(SequenceState& state) {
  const StateShape& shape = state.shape();
  Bytes out;
  EXPECT_EQ(state.n_pending(), 0);
  for (int il = 0; il < static_cast<int>(shape.layers.size()); il++) {
    if (shape.layers[static_cast<size_t>(il)] == LayerKind::kAttention) {
      append_kv(out, state.kv(il), shape, state.length());
      continue;
    }
    append(out, state.delta(il).state, shape.n_value_heads * shape.value_dim * shape.key_dim * 4);
    const ConvView conv = state.conv(il);
    for (int64_t p = std::max<int64_t>(0, state.length() - shape.conv_taps + 1); p < state.length(); p++) {
      append(out, conv.columns + p % conv.n_slots * shape.conv_channels, shape.conv_channels * 4);
    }
  }
  return out;
}

struct TrunkRun {
  Rows hidden;  // of each sequence, step after step
  std::vector<Bytes> memory;

  bool operator==(const TrunkRun&) const = default;
};

// Sequence i is plan which[i] with the text of that plan: the same alone and in company.
TrunkRun run(Engine& engine, const std::vector<size_t>& which) {
  std::vector<SequenceState> states;
  std::vector<std::vector<int32_t>> texts;
  for (const size_t w : which) {
    states.emplace_back(engine.state_shape());
    texts.push_back(random_tokens(static_cast<uint32_t>(100 + w), 400));
  }
  TrunkRun out{Rows(which.size()), {}};
  for (size_t step = 0; step < kPlans[0].size(); step++) {
    std::vector<SequenceRows> rows;
    std::vector<size_t> owners;
    std::vector<std::vector<int32_t>> tokens(which.size());
    for (size_t i = 0; i < which.size(); i++) {
      const Part& part = kPlans[which[i]][step];
      if (part.n_sure == 0) continue;
      const auto at = texts[i].begin() + states[i].length();
      tokens[i].assign(at, at + part.n_sure + part.n_draft);
      for (int d = part.n_accepted; d < part.n_draft; d++) tokens[i][static_cast<size_t>(part.n_sure + d)] ^= 1;
      rows.push_back({&states[i], tokens[i].data(), part.n_sure, part.n_draft});
      owners.push_back(i);
    }
    if (rows.empty()) continue;
    TensorView hidden = engine.model().forward(engine.ctx(), rows);
    const float* at = hidden.data;
    for (size_t r = 0; r < rows.size(); r++) {
      const int64_t n = (rows[r].n_sure + rows[r].n_draft) * hidden.cols;
      out.hidden[owners[r]].insert(out.hidden[owners[r]].end(), at, at + n);
      at += n;
      states[owners[r]].commit(kPlans[which[owners[r]]][step].n_accepted);
    }
  }
  for (SequenceState& s : states) out.memory.push_back(memory_of(s));
  return out;
}

constexpr const char* kWithHead[] = {"tiny-loud-f32",        "tiny-loud-q4_k_m",    "tiny-mixed-q8_0",
                                     "tiny-moe-loud-q4_k_m", "tiny-glm45-loud-f32", "tiny-glm46-mixed-q4_k_m",
                                     "tiny-next-mixed-q8_0"};
constexpr const char* kModels[] = {"tiny-loud-f32",          "tiny-loud-q4_k_m",       "tiny-mixed-q8_0",
                                   "tiny-moe-loud-q4_k_m",   "tiny-glm45-loud-f32",    "tiny-glm46-mixed-q4_k_m",
                                   "tiny-next-mixed-q8_0",   "tiny-qwen2-loud-q4_k_m", "tiny-qwen3-mixed-q8_0",
                                   "tiny-llama-mixed-q4_k_m"};

TEST(Batch, TrunkEqualsEachAlone) {
  for (const char* model : kModels) {
    for (const int n_threads : {1, 2}) {
      SCOPED_TRACE(std::string(model) + ", threads: " + std::to_string(n_threads));
      EngineOptions o = open_options(model);
      o.n_threads = n_threads;
      Engine engine(o);
      const TrunkRun together = run(engine, {0, 1, 2, 3});
      for (size_t i = 0; i < 4; i++) {
        const TrunkRun alone = run(engine, {i});
        EXPECT_TRUE(alone.hidden[0] == together.hidden[i]) << "sequence " << i << ": hidden states differ";
        EXPECT_TRUE(alone.memory[0] == together.memory[i]) << "sequence " << i << ": states differ";
      }
      EXPECT_TRUE(run(engine, {3, 1}) ==
                  (TrunkRun{{together.hidden[3], together.hidden[1]}, {together.memory[3], together.memory[1]}}));
    }
  }
}

// What is remembered does not tell that there ever were drafts.
TEST(Batch, DraftsLeaveNoTrace) {
  for (const char* model : kModels) {
    SCOPED_TRACE(model);
    Engine engine(open_options(model));
    const TrunkRun drafted = run(engine, {0, 1, 2, 3});
    for (size_t i = 0; i < 4; i++) {
      int n = 0;
      for (const Part& part : kPlans[i]) n += part.n_sure + part.n_accepted;
      SequenceState state(engine.state_shape());
      const std::vector<int32_t> text = random_tokens(static_cast<uint32_t>(100 + i), 400);
      const SequenceRows rows = {&state, text.data(), n, 0};
      engine.model().forward(engine.ctx(), {&rows, 1});
      state.commit(0);
      EXPECT_TRUE(memory_of(state) == drafted.memory[i]) << "sequence " << i;
    }
  }
}

struct HeadRun {
  Rows hidden;
  std::vector<Bytes> memory;
};

// Steps of a sequence in the head: pairs of one step, and what is asked for in it, which all sequences share.
constexpr int kPairs[4][4] = {{5, 1, 3, 2}, {1, 4, 1, 1}, {270, 2, 2, 1}, {40, 1, 1, 6}};
constexpr HeadOutput kOutputs[4] = {HeadOutput::kNone, HeadOutput::kLast, HeadOutput::kAll, HeadOutput::kLast};

HeadRun run_head(Engine& engine, const std::vector<size_t>& which) {
  const StateShape shape = engine.state_shape();
  std::vector<HeadState> states;
  std::vector<std::vector<int32_t>> texts;
  std::vector<std::vector<float>> hiddens;
  std::vector<int64_t> lengths(which.size(), 0);
  for (const size_t w : which) {
    states.emplace_back(shape, KvType::kF16, KvType::kF16, 8);
    texts.push_back(random_tokens(static_cast<uint32_t>(200 + w), 300));
    std::mt19937 rng(static_cast<uint32_t>(w));
    std::normal_distribution<float> normal;
    hiddens.emplace_back(static_cast<size_t>(300 * shape.n_embd));
    for (float& h : hiddens.back()) h = normal(rng);
  }
  HeadRun out{Rows(which.size()), {}};
  for (size_t step = 0; step < 4; step++) {
    std::vector<HeadRows> rows;
    for (size_t i = 0; i < which.size(); i++) {
      const int n = kPairs[which[i]][step];
      rows.push_back(
          {&states[i], texts[i].data() + lengths[i], hiddens[i].data() + lengths[i] * shape.n_embd, lengths[i], n});
      lengths[i] += n;
    }
    const TensorView hidden = engine.model().head_forward(engine.ctx(), rows, kOutputs[step]);
    if (kOutputs[step] == HeadOutput::kNone) continue;
    const float* at = hidden.data;
    for (size_t i = 0; i < which.size(); i++) {
      const int64_t n = (kOutputs[step] == HeadOutput::kLast ? 1 : rows[i].n) * shape.n_embd;
      out.hidden[i].insert(out.hidden[i].end(), at, at + n);
      at += n;
    }
    EXPECT_EQ(at, hidden.row(hidden.rows));
  }
  for (size_t i = 0; i < which.size(); i++) {
    out.memory.emplace_back();
    append_kv(out.memory.back(), states[i].kv(), shape, lengths[i]);
  }
  return out;
}

TEST(Batch, HeadEqualsEachAlone) {
  for (const char* model : kWithHead) {
    for (const int n_threads : {1, 2}) {
      SCOPED_TRACE(std::string(model) + ", threads: " + std::to_string(n_threads));
      EngineOptions o = open_options(model);
      o.n_threads = n_threads;
      Engine engine(o);
      const HeadRun together = run_head(engine, {0, 1, 2, 3});
      for (size_t i = 0; i < 4; i++) {
        const HeadRun alone = run_head(engine, {i});
        EXPECT_TRUE(alone.hidden[0] == together.hidden[i]) << "sequence " << i << ": hidden states differ";
        EXPECT_TRUE(alone.memory[0] == together.memory[i]) << "sequence " << i << ": keys or values differ";
      }
    }
  }
}

}  // namespace
}  // namespace nextn
