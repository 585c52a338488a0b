// The ops of a gated delta net on a SequenceState's views: chunks, drafts and what is rejected leave no trace.
#include "ops/delta_net.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "state/sequence_state.h"

namespace nextn {
namespace {

// Sizes that cut blocks unevenly: 1280 channels of 512 at a time.
constexpr ops::DeltaShape kShape = {.n_key_heads = 2, .n_value_heads = 8, .key_dim = 64, .value_dim = 128};
constexpr int kTokens = 40, kTaps = 4, kLayers = 2, kChannels = 1280, kValues = 1024, kHeads = 8;

std::vector<float> random_floats(int64_t n, std::mt19937& random) {
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> x(static_cast<size_t>(n));
  for (float& value : x) value = normal(random);
  return x;
}

TensorView view(std::vector<float>& x, int64_t cols) {
  return {x.data(), static_cast<int64_t>(x.size()) / cols, cols};
}

StateShape state_shape(int64_t max_draft, int64_t taps = kTaps) {
  StateShape s;
  s.layers.assign(kLayers, LayerKind::kDeltaNet);
  s.n_ctx = kTokens + max_draft;
  s.max_draft = max_draft;
  s.n_key_heads = kShape.n_key_heads;
  s.n_value_heads = kShape.n_value_heads;
  s.key_dim = kShape.key_dim;
  s.value_dim = kShape.value_dim;
  s.conv_channels = kChannels;
  s.conv_taps = taps;
  return s;
}

// What the projections give for each position of a text, layer by layer, and the weights.
struct Text {
  explicit Text(uint32_t seed) {
    std::mt19937 random(seed);
    for (int il = 0; il < kLayers; il++) {
      mixed[il] = random_floats(kTokens * kChannels, random);
      beta[il] = random_floats(kTokens * kHeads, random);
      decay[il] = random_floats(kTokens * kHeads, random);
      z[il] = random_floats(kTokens * kValues, random);
    }
  }
  std::vector<float> mixed[kLayers], beta[kLayers], decay[kLayers], z[kLayers];
};
struct Weights {
  std::mt19937 random{77};
  std::vector<float> taps = random_floats(kTaps * kChannels, random),
                     a = {-0.1f, -0.5f, -1.0f, -3.0f, -0.2f, -0.7f, -2.0f, -5.0f}, dt = random_floats(kHeads, random),
                     norm = random_floats(kShape.value_dim, random);
};

// One step of a sequence: drafts after the first n_accepted are wrong ones.
struct Step {
  int n_sure, n_draft, n_accepted;
  bool open = false;  // the next step's drafts go on from this one's, nothing is committed yet
};

// A text going through its layers, step by step. Outputs of the rows that stay, position by position.
struct Sequence {
  Sequence(const Text& text, int64_t max_draft) : text(text), state(state_shape(max_draft)) {
    for (int il = 0; il < kLayers; il++) u[il].resize(kTokens * kChannels), o[il].resize(kTokens * kValues);
  }

  const Text& text;
  SequenceState state;
  std::vector<float> u[kLayers], o[kLayers];
};

// One step for several sequences at once, as a model's forward takes it.
void run(Ctx& ctx, Weights& w, const std::vector<std::pair<Sequence*, Step>>& batch) {
  int64_t R = 0;
  for (const auto& [s, step] : batch) {
    s->state.begin_step(step.n_sure, step.n_draft);
    R += step.n_sure + step.n_draft;
  }
  for (int il = 0; il < kLayers; il++) {
    // Rows of a draft that will be rejected keep the random values. One row more than are used: none has no address.
    std::vector<float> m = random_floats((R + 1) * kChannels, w.random),
                       beta = random_floats((R + 1) * kHeads, w.random),
                       decay = random_floats((R + 1) * kHeads, w.random),
                       z = random_floats((R + 1) * kValues, w.random), u((R + 1) * kChannels), o((R + 1) * kValues);
    std::vector<ops::DeltaRun> runs;
    const auto each_row_that_stays = [&](const auto& body) {
      int first = 0;
      for (const auto& [s, step] : batch) {
        for (int i = 0; i < step.n_sure + step.n_accepted; i++) body(*s, first + i, s->state.position() + i);
        first += step.n_sure + step.n_draft;
      }
    };
    each_row_that_stays([&](Sequence& s, int64_t row, int64_t position) {
      std::copy_n(&s.text.mixed[il][position * kChannels], kChannels, &m[row * kChannels]);
      std::copy_n(&s.text.beta[il][position * kHeads], kHeads, &beta[row * kHeads]);
      std::copy_n(&s.text.decay[il][position * kHeads], kHeads, &decay[row * kHeads]);
      std::copy_n(&s.text.z[il][position * kValues], kValues, &z[row * kValues]);
    });
    int first = 0;
    for (const auto& [s, step] : batch) {
      runs.push_back({first, step.n_sure, step.n_draft, s->state.position(), s->state.delta(il), s->state.conv(il)});
      first += step.n_sure + step.n_draft;
    }
    const auto rows = [R](std::vector<float>& x, int64_t cols) { return TensorView(x.data(), R, cols); };
    ctx.act = ActBuffer(R + 1, kValues);
    ops::conv_and_gates(ctx, rows(u, kChannels), rows(beta, kHeads), rows(decay, kHeads), rows(m, kChannels),
                        view(w.taps, kChannels), w.a.data(), w.dt.data(), kShape, 1e-6f, runs);
    each_row_that_stays([&](Sequence& s, int64_t row, int64_t position) {
      std::copy_n(&u[row * kChannels], kChannels, &s.u[il][position * kChannels]);
    });
    ops::delta_net_q8(ctx, rows(o, kValues), rows(u, kChannels), rows(beta, kHeads), rows(decay, kHeads),
                      rows(z, kValues), w.norm.data(), kShape, 1e-6f, runs);
    for (int64_t r = 0; r < R; r++) {
      std::vector<int8_t> q(kValues);
      std::vector<float> scale(kValues / kActBlock);
      std::vector<int16_t> sum(kValues / 16);
      ctx.kernels.quantize(&o[r * kValues], kValues, ctx.act.block(kValues), q.data(), scale.data(), sum.data());
      EXPECT_EQ(std::memcmp(q.data(), ctx.act.q(r, kValues), q.size()), 0);
      EXPECT_EQ(std::memcmp(scale.data(), ctx.act.scale(r, kValues), scale.size() * sizeof(float)), 0);
      EXPECT_EQ(std::memcmp(sum.data(), ctx.act.sum(r, kValues), sum.size() * sizeof(int16_t)), 0);
    }
    each_row_that_stays([&](Sequence& s, int64_t row, int64_t position) {
      std::copy_n(&o[row * kValues], kValues, &s.o[il][position * kValues]);
    });
  }
  for (const auto& [s, step] : batch) {
    s->state.end_step();
    if (!step.open) s->state.commit(step.n_accepted);
  }
}

// The canonical state: what is pending is applied by a step of no rows.
void apply_pending(Ctx& ctx, Weights& w, Sequence& s) {
  run(ctx, w, {{&s, {0, 0, 0}}});
  EXPECT_EQ(s.state.n_pending(), 0);
}

::testing::AssertionResult same(const std::vector<float>& a, const std::vector<float>& b) {
  for (size_t i = 0; i < a.size(); i++) {
    if (std::memcmp(&a[i], &b[i], sizeof(float)) != 0) {
      return ::testing::AssertionFailure() << "first difference at " << i << ": " << a[i] << " and " << b[i];
    }
  }
  return ::testing::AssertionSuccess();
}

// Outputs, states and the columns that the next step looks back on.
::testing::AssertionResult same(Sequence& a, Sequence& b) {
  if (a.state.length() != b.state.length()) return ::testing::AssertionFailure() << "lengths";
  for (int il = 0; il < kLayers; il++) {
    if (auto r = same(a.u[il], b.u[il]); !r) return r << " of u, layer " << il;
    if (auto r = same(a.o[il], b.o[il]); !r) return r << " of o, layer " << il;
    const size_t n = sizeof(float) * kHeads * kShape.value_dim * kShape.key_dim;
    if (std::memcmp(a.state.delta(il).state, b.state.delta(il).state, n) != 0) {
      return ::testing::AssertionFailure() << "states of layer " << il;
    }
    for (int64_t p = a.state.length() - kTaps + 1; p < a.state.length(); p++) {
      const auto column = [&](Sequence& s) {
        const ConvView c = s.state.conv(il);
        return c.columns + p % c.n_slots * kChannels;
      };
      if (std::memcmp(column(a), column(b), kChannels * sizeof(float)) != 0) {
        return ::testing::AssertionFailure() << "column " << p << " of layer " << il;
      }
    }
  }
  return ::testing::AssertionSuccess();
}

// Steps up to kTokens: mostly one sure row, any number of drafts, any number of them accepted.
std::vector<Step> random_steps(int max_draft, std::mt19937& random) {
  std::vector<Step> steps;
  for (int at = 0; at < kTokens;) {
    Step s;
    s.n_sure = std::min<int>(kTokens - at, at > 0 && random() % 8 == 0 ? 0 : random() % 4 == 0 ? 2 + random() % 9 : 1);
    s.n_draft = static_cast<int>(random() % (max_draft + 1));
    s.n_accepted = std::min<int>(static_cast<int>(random() % (s.n_draft + 1)), kTokens - at - s.n_sure);
    at += s.n_sure + s.n_accepted;
    steps.push_back(s);
  }
  return steps;
}

class DeltaNetOp : public ::testing::Test {
 protected:
  DeltaNetOp() : plain_(text_, 0) {
    for (int p = 0; p < kTokens; p++) run(ctx_, w_, {{&plain_, {1, 0, 0}}});
  }

  ThreadPool pool_{1};
  Ctx ctx_{select_kernels(nullptr), pool_, ActBuffer()};
  Weights w_;
  const Text text_{1};
  Sequence plain_;  // row by row, never drafted
};

TEST_F(DeltaNetOp, ConvolutionLooksBackAcrossStepsAndKeyHeadsAreUnits) {
  for (int il = 0; il < kLayers; il++) {
    for (int p = 0; p < kTokens; p++) {
      std::vector<double> u(kChannels);
      for (int c = 0; c < kChannels; c++) {
        double sum = 0;
        for (int j = 0; j < kTaps; j++) {
          const int from = p - (kTaps - 1 - j);
          if (from >= 0) sum += static_cast<double>(w_.taps[j * kChannels + c]) * text_.mixed[il][from * kChannels + c];
        }
        u[c] = sum / (1 + std::exp(-sum));
      }
      for (int head = 0; head < kShape.v_column(); head += kShape.key_dim) {
        double sum = 0;
        for (int i = 0; i < kShape.key_dim; i++) sum += u[head + i] * u[head + i];
        for (int i = 0; i < kShape.key_dim; i++) u[head + i] /= std::sqrt(sum);
      }
      for (int c = 0; c < kChannels; c++) ASSERT_NEAR(plain_.u[il][p * kChannels + c], u[c], 1e-5) << p << " " << c;
    }
  }
}

TEST_F(DeltaNetOp, AgreesWithANaiveRecurrenceInDoubles) {
  const int Dk = kShape.key_dim, Dv = kShape.value_dim;
  for (int il = 0; il < kLayers; il++) {
    for (int h = 0; h < kHeads; h++) {
      std::vector<double> S(Dv * Dk);
      for (int p = 0; p < kTokens; p++) {
        const float* const u = &plain_.u[il][p * kChannels];
        const float *const q = u + h % 2 * Dk, *const k = u + 2 * Dk + h % 2 * Dk;
        std::vector<double> read(Dv);
        const double beta = 1 / (1 + std::exp(-static_cast<double>(text_.beta[il][p * kHeads + h])));
        const double decay = std::exp(w_.a[h] * std::log1p(std::exp(text_.decay[il][p * kHeads + h] + w_.dt[h])));
        for (int j = 0; j < Dv; j++) {
          double recalled = 0, o = 0;
          for (int i = 0; i < Dk; i++) recalled += decay * S[j * Dk + i] * k[i];
          for (int i = 0; i < Dk; i++) {
            S[j * Dk + i] = decay * S[j * Dk + i] + beta * (u[4 * Dk + h * Dv + j] - recalled) * k[i];
            o += S[j * Dk + i] * q[i];
          }
          read[j] = o / std::sqrt(Dv);
        }
        double squares = 0;
        for (const double o : read) squares += o * o;
        for (int j = 0; j < Dv; j++) {
          const double z = text_.z[il][p * kValues + h * Dv + j], silu = z / (1 + std::exp(-z));
          ASSERT_NEAR(plain_.o[il][p * kValues + h * Dv + j],
                      read[j] / std::sqrt(squares / Dv + 1e-6) * w_.norm[j] * silu, 2e-5)
              << "position " << p << " head " << h;
        }
      }
    }
  }
}

TEST_F(DeltaNetOp, AnyChunkingGivesTheSameBits) {
  for (const int chunk : {2, 3, 7, 39, 40}) {
    Sequence s(text_, 0);
    for (int at = 0; at < kTokens; at += chunk) run(ctx_, w_, {{&s, {std::min(chunk, kTokens - at), 0, 0}}});
    ASSERT_TRUE(same(s, plain_)) << "chunks of " << chunk;
  }
}

TEST_F(DeltaNetOp, DraftsLeaveNoTrace) {
  std::mt19937 random(2);
  for (int max_draft = 1; max_draft <= 9; max_draft++) {
    for (int round = 0; round < 6; round++) {
      Sequence s(text_, max_draft);
      std::string steps;
      for (const Step& step : random_steps(max_draft, random)) {
        steps += fmt::format(" {}+{}/{}", step.n_sure, step.n_accepted, step.n_draft);
        run(ctx_, w_, {{&s, step}});
      }
      apply_pending(ctx_, w_, s);
      ASSERT_TRUE(same(s, plain_)) << "at most " << max_draft << " drafts:" << steps;
    }
  }
}

// A model's own drafts: a step each, until it is known how many of them are right.
TEST_F(DeltaNetOp, DraftsOneByOneLeaveNoTrace) {
  constexpr int kDrafts = 4;
  for (int accepted = 0; accepted <= kDrafts; accepted++) {
    Sequence s(text_, kDrafts);
    while (s.state.length() < kTokens) {
      const int left = kTokens - static_cast<int>(s.state.length());
      run(ctx_, w_, {{&s, {std::min(left, 2), 0, 0, true}}});
      const int n = std::min(accepted, left - std::min(left, 2));
      for (int i = 0; i < kDrafts; i++) run(ctx_, w_, {{&s, {0, 1, i < n ? 1 : 0, true}}});
      s.state.commit(n);
    }
    apply_pending(ctx_, w_, s);
    ASSERT_TRUE(same(s, plain_)) << accepted << " accepted";
  }
}

// Two sequences in the same steps, one of them ending first, on three threads and on the scalar table.
TEST_F(DeltaNetOp, NeighboursThreadsAndInstructionSetsLeaveNoTrace) {
  std::mt19937 random(3);
  const Text other(4);
  Sequence other_plain(other, 0);
  run(ctx_, w_, {{&other_plain, {kTokens, 0, 0}}});
  ThreadPool three(3);
  for (const char* isa : {"", "scalar"}) {
    Ctx ctx{select_kernels(isa), three, ActBuffer()};
    for (int round = 0; round < 3; round++) {
      Sequence a(text_, 3), b(other, 5);
      std::vector<Step> of_a = random_steps(3, random), of_b = random_steps(5, random);
      for (size_t i = 0; i < std::max(of_a.size(), of_b.size()); i++) {
        std::vector<std::pair<Sequence*, Step>> batch;
        if (i < of_b.size()) batch.push_back({&b, of_b[i]});
        if (i < of_a.size()) batch.push_back({&a, of_a[i]});
        run(ctx, w_, batch);
      }
      apply_pending(ctx, w_, a);
      apply_pending(ctx, w_, b);
      ASSERT_TRUE(same(a, plain_)) << isa;
      ASSERT_TRUE(same(b, other_plain)) << isa;
    }
  }
}

TEST_F(DeltaNetOp, AClearedSequenceIsANewOne) {
  Sequence s(text_, 3);
  const Text other(5);
  Sequence first(other, 3);
  for (const Step& step : {Step{6, 0, 0}, Step{1, 3, 2}}) run(ctx_, w_, {{&first, step}});
  first.state.clear();
  std::swap(first.state, s.state);  // the used memory, for another text
  for (int p = 0; p < kTokens; p++) run(ctx_, w_, {{&s, {1, 0, 0}}});
  ASSERT_TRUE(same(s, plain_));
}

TEST_F(DeltaNetOp, AFaultyReplayIsNoticed) {
  ctx_.fault = Fault::kReplay;
  Sequence s(text_, 3);
  for (int p = 0; p < kTokens; p += 4) run(ctx_, w_, {{&s, {1, 3, 3}}});
  EXPECT_FALSE(same(s, plain_));
}

// Where softplus changes its form, and far out.
TEST_F(DeltaNetOp, GatesAgreeWithDoubles) {
  const std::vector<float> raw = {-60, -20, -1, 0, 1, 19.9f, 20, 20.1f, 80, 1000};
  const auto n = static_cast<int64_t>(raw.size());
  std::vector<float> beta, dt(kHeads, 0.0f);
  for (const float x : raw) beta.insert(beta.end(), kHeads, x);
  std::vector<float> decay = beta;
  ops::conv_and_gates(ctx_, TensorView(nullptr, n, kChannels), view(beta, kHeads), view(decay, kHeads),
                      TensorView(nullptr, n, kChannels), view(w_.taps, kChannels), w_.a.data(), dt.data(), kShape,
                      1e-6f, {});
  for (int64_t i = 0; i < n * kHeads; i++) {
    const double x = raw[static_cast<size_t>(i / kHeads)], softplus = x > 700 ? x : std::log1p(std::exp(x));
    EXPECT_NEAR(beta[i], 1 / (1 + std::exp(-x)), 1e-6) << x;
    EXPECT_NEAR(decay[i], std::exp(w_.a[i % kHeads] * softplus), 1e-6) << x;
  }
}

}  // namespace
}  // namespace nextn
