// The mixture of experts against sums in doubles, and against itself: a row's result depends on that row alone, however
// the experts' weights lie.
#include "ops/moe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "base/fp16.h"
#include "kernels/scales_of_test.h"
#include "quant/decode.h"

namespace nextn {
namespace {

using ops::Gating;
using ops::MoeShape;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<float> random_floats(int64_t n, std::mt19937& random, float size = 1) {
  std::normal_distribution<float> normal(0, size);
  std::vector<float> x(static_cast<size_t>(n));
  for (float& v : x) v = normal(random);
  return x;
}

// n_matrices random matrices of one shape: as in a file, and in tiles.
struct Matrices {
  Matrices(DType type, int64_t k, int64_t n_out, int64_t n_matrices, std::mt19937& random) {
    const DTypeInfo& info = dtype_info(type);
    const int64_t row_bytes = k / info.block_values * info.block_bytes;
    const std::vector<float> values =
        random_floats(k * n_out * n_matrices, random, 1 / std::sqrt(static_cast<float>(k)));
    file.resize(static_cast<size_t>(row_bytes * n_out * n_matrices));
    if (type == DType::kF32) std::memcpy(file.data(), values.data(), file.size());
    for (size_t at = 0; type == DType::kQ6_K && at < file.size(); at += info.block_bytes) {
      for (size_t i = 0; i < info.block_bytes; i++) file[at + i] = static_cast<uint8_t>(random());
      set_scales(type, &file[at], [&] { return f32_to_f16(5e-4f / std::sqrt(static_cast<float>(k))); });
    }
    for (size_t b = 0; type == DType::kQ8_0 && b < values.size() / 32; b++) {
      uint8_t* const block = &file[b * 34];
      const float d = 3 / std::sqrt(static_cast<float>(k)) / 127;
      const uint16_t half = f32_to_f16(d);
      std::memcpy(block, &half, 2);
      for (size_t i = 0; i < 32; i++) {
        block[2 + i] = static_cast<uint8_t>(std::clamp<long>(std::lround(values[b * 32 + i] / d), -127, 127));
      }
    }
    w.format = *pack_format_of(type);
    w.k = k;
    w.n_out = n_out;
    w.n_matrices = n_matrices;
    in_file = w;
    in_file.in_file = {file.data(), row_bytes, type};
    repack();
  }
  void repack() {
    const FileRows& rows = in_file.in_file;
    const size_t tile = tile_bytes(w.format, w.k);
    tiles.assign(w.tiles_bytes(), 0);
    for (int64_t t = 0; t < w.n_tiles(); t++) {
      pack_rows(w, t, rows.row(w.first_row(t)), rows.row_bytes, &tiles[static_cast<size_t>(t) * tile]);
    }
    w.tiles = tiles.data();
  }
  // W x of one of them.
  std::vector<double> times(int64_t matrix, const std::vector<double>& x) const {
    std::vector<double> y(static_cast<size_t>(w.n_out));
    std::vector<float> row(static_cast<size_t>(w.k));
    for (int64_t o = 0; o < w.n_out; o++) {
      decode_row(in_file.in_file.type, in_file.in_file.row(matrix * w.n_out + o), w.k, row.data());
      y[static_cast<size_t>(o)] = std::inner_product(row.begin(), row.end(), x.begin(), 0.0);
    }
    return y;
  }

  std::vector<uint8_t> file, tiles;
  Weight w, in_file;
};

struct Mixture {
  Mixture(const MoeShape& s, DType type, bool with_bias, bool shared_gate, uint32_t seed = 1)
      : Mixture(s, type, type, with_bias, shared_gate, seed) {}
  Mixture(const MoeShape& s, DType type, DType up_type, bool with_bias, bool shared_gate, uint32_t seed = 1)
      : shape(s),
        random(seed),
        router(DType::kF32, s.n_embd, s.n_experts, 1, random),
        gate(type, s.n_embd, s.n_ff, s.n_experts, random),
        up(up_type, s.n_embd, s.n_ff, s.n_experts, random),
        down(type, s.n_ff, s.n_embd, s.n_experts, random),
        gate_shared(type, s.n_embd, std::max<int64_t>(32, s.n_ff_shared), 1, random),
        up_shared(type, s.n_embd, std::max<int64_t>(32, s.n_ff_shared), 1, random),
        down_shared(type, std::max<int64_t>(32, s.n_ff_shared), s.n_embd, 1, random),
        gate_of_shared(DType::kF32, s.n_embd, 1, 1, random),
        bias(random_floats(s.n_experts, random, 0.3f)) {
    w.ffn_gate_inp = router.w;
    w.ffn_gate_exps = gate.w;
    w.ffn_up_exps = up.w;
    w.ffn_down_exps = down.w;
    if (with_bias) w.exp_probs_b = bias.data();
    if (shape.n_ff_shared == 0) return;
    w.ffn_gate_shexp = gate_shared.w;
    w.ffn_up_shexp = up_shared.w;
    w.ffn_down_shexp = down_shared.w;
    if (shared_gate) w.ffn_gate_inp_shexp = gate_of_shared.w;
  }

  // x + the mixture of h, for rows of h.
  std::vector<float> run(ThreadPool& pool, const std::vector<float>& h, const std::vector<float>& x) const {
    const int64_t D = shape.n_embd, R = static_cast<int64_t>(h.size()) / D;
    Ctx ctx{select_kernels(nullptr), pool, ActBuffer(R, std::max(D, shape.n_ff))};
    ctx.rows = Slots(pool.n_threads(), shape.gathered_bytes());
    ctx.tiles = Slots(pool.n_threads(), 2 * 16 * sizeof(float) * static_cast<size_t>(std::max(D, shape.n_ff) + 64));
    ops::MoeBuffers buffers(R, shape);
    std::vector<float> in = h, out = x, room(x.size(), kNan);
    const TensorView rows(in.data(), R, D);
    ctx.act.source = rows.data;
    for (int64_t r = 0; r < R; r++) ops::quantize_part(ctx, rows, r, 0, D);
    ops::moe_ffn(ctx, TensorView(out.data(), R, D), TensorView(room.data(), R, D), rows, w, shape, buffers);
    return out;
  }

  std::vector<double> ffn(const Matrices& g, const Matrices& u, const Matrices& d, int64_t i,
                          const std::vector<double>& x) const {
    std::vector<double> inner = g.times(i, x);
    const std::vector<double> other = u.times(i, x);
    for (size_t f = 0; f < inner.size(); f++) inner[f] *= other[f] / (1 + std::exp(-inner[f]));
    return d.times(i, inner);
  }
  std::vector<double> in_doubles(const std::vector<double>& x) const {
    const size_t E = static_cast<size_t>(shape.n_experts);
    std::vector<double> value = router.times(0, x), y(x.size());
    const std::vector<double> score = value;
    double all = 0;
    for (const double v : score) all += std::exp(v);
    for (double& v : value) {
      if (shape.gating == Gating::kSoftmax) v = std::exp(v) / all;
      if (shape.gating == Gating::kSigmoid) v = 1 / (1 + std::exp(-v));
    }
    std::vector<size_t> order(E);
    std::iota(order.begin(), order.end(), 0u);
    const auto rank = [&](size_t e) { return value[e] + (w.exp_probs_b != nullptr ? double{bias[e]} : 0); };
    std::ranges::stable_sort(order, [&](size_t a, size_t b) { return rank(a) > rank(b); });
    order.resize(static_cast<size_t>(shape.n_used));
    double chosen = 0, sum = 0;
    for (const size_t e : order) chosen += std::exp(score[e]);
    for (const size_t e : order) {
      if (shape.gating == Gating::kSoftmaxOfChosen) value[e] = std::exp(score[e]) / chosen;
      sum += value[e];
    }
    const auto add = [&](double share, const std::vector<double>& o) {
      for (size_t i = 0; i < y.size(); i++) y[i] += share * o[i];
    };
    for (const size_t e : order) {
      add((shape.normalise ? value[e] / sum : value[e]) * shape.scale, ffn(gate, up, down, static_cast<int64_t>(e), x));
    }
    if (shape.n_ff_shared == 0) return y;
    const double share = w.ffn_gate_inp_shexp ? 1 / (1 + std::exp(-gate_of_shared.times(0, x)[0])) : 1;
    add(share, ffn(gate_shared, up_shared, down_shared, 0, x));
    return y;
  }

  MoeShape shape;
  std::mt19937 random;
  Matrices router, gate, up, down, gate_shared, up_shared, down_shared, gate_of_shared;
  std::vector<float> bias;
  ops::MoeWeights w;
};

constexpr MoeShape kOdd = {.n_experts = 7, .n_used = 3, .n_embd = 100, .n_ff = 35, .n_ff_shared = 50};
constexpr MoeShape kBlocks = {.n_experts = 16, .n_used = 4, .n_embd = 288, .n_ff = 96, .n_ff_shared = 160};
constexpr MoeShape kWideBlocks = {.n_experts = 8, .n_used = 3, .n_embd = 256, .n_ff = 512, .n_ff_shared = 256};

TEST(MoeOp, AgreesWithDoubles) {
  ThreadPool pool(2);
  for (const auto& [base, type, bound] :
       {std::tuple{kOdd, DType::kF32, 1e-5}, std::tuple{kBlocks, DType::kF32, 1e-5},
        std::tuple{kBlocks, DType::kQ8_0, 0.03}, std::tuple{kWideBlocks, DType::kQ8_0, 0.05}}) {
    for (const Gating gating : {Gating::kSoftmax, Gating::kSigmoid, Gating::kSoftmaxOfChosen}) {
      for (int variant = 0; variant < 4; variant++) {
        SCOPED_TRACE(testing::Message() << static_cast<int>(type) << ", gating " << static_cast<int>(gating)
                                        << ", variant " << variant);
        MoeShape shape = base;
        shape.gating = gating;
        shape.normalise = variant % 2 == 1;
        shape.scale = variant >= 2 ? 2.5f : 1;
        if (variant == 2) shape.n_ff_shared = 0;
        const Mixture m(shape, type, variant >= 1, variant != 3, static_cast<uint32_t>(variant + 1));
        std::mt19937 random(11);
        const int64_t D = shape.n_embd, R = 5;
        const std::vector<float> h = random_floats(R * D, random), x = random_floats(R * D, random);
        const std::vector<float> found = m.run(pool, h, x);
        for (int64_t r = 0; r < R; r++) {
          const std::vector<double> y =
              m.in_doubles({&h[static_cast<size_t>(r * D)], &h[static_cast<size_t>(r * D)] + D});
          double worst = 0, squares = 0;
          for (size_t i = 0; i < y.size(); i++) {
            const size_t at = static_cast<size_t>(r * D) + i;
            worst = std::max(worst, std::abs(double{found[at]} - x[at] - y[i]));
            squares += y[i] * y[i];
          }
          EXPECT_LE(worst, bound * (1 + std::sqrt(squares / static_cast<double>(D)))) << "row " << r;
        }
      }
    }
  }
}

TEST(MoeOp, ARowIsTheSameInAnyCompany) {
  ThreadPool one(1), three(3);
  for (const auto& [base, type] : {std::pair{kOdd, DType::kF32}, std::pair{kBlocks, DType::kQ8_0},
                                   std::pair{kWideBlocks, DType::kQ8_0}, std::pair{kWideBlocks, DType::kQ6_K}}) {
    MoeShape shape = base;
    shape.normalise = true;
    const Mixture m(shape, type, false, true);
    std::mt19937 random(12);
    const int64_t D = shape.n_embd, R = 200;  // more than one block of rows for an expert
    const std::vector<float> h = random_floats(R * D, random), x = random_floats(R * D, random);
    const std::vector<float> all = m.run(one, h, x);
    EXPECT_EQ(m.run(three, h, x), all);
    const auto rows = [&](const std::vector<float>& of, const std::vector<int64_t>& which) {
      std::vector<float> out;
      for (const int64_t r : which) out.insert(out.end(), of.begin() + r * D, of.begin() + (r + 1) * D);
      return out;
    };
    for (int64_t r = 0; r < R; r++) {
      ASSERT_EQ(m.run(one, rows(h, {r}), rows(x, {r})), rows(all, {r})) << "row " << r << " alone";
    }
    std::vector<int64_t> order(static_cast<size_t>(R));
    std::iota(order.begin(), order.end(), 0);
    for (const size_t n : {2u, 3u, 9u, 33u, 70u, 200u}) {
      std::ranges::shuffle(order, random);
      const std::vector<int64_t> some(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(n));
      EXPECT_EQ(m.run(three, rows(h, some), rows(x, some)), rows(all, some)) << n << " rows in another order";
    }
  }
}

// Rows that stand together but for one, and a format for gate whose kernels take other blocks of rows than up's: what
// is brought together for the one does not do for the other.
TEST(MoeOp, GateAndUpReadBlocksOfTheirOwn) {
  ThreadPool pool(1);
  const MoeShape shape = {.n_experts = 2, .n_used = 1, .n_embd = 256, .n_ff = 256, .n_ff_shared = 0};
  const Mixture m(shape, DType::kQ8_0, DType::kQ6_K, false, true);
  std::mt19937 random(14);
  std::vector<float> mine, other;  // rows of the first expert, and of the second
  while (mine.size() < 40u * 256 || other.size() < 256) {
    const std::vector<float> row = random_floats(256, random);
    const std::vector<double> scores = m.router.times(0, {row.begin(), row.end()});
    std::vector<float>& to = scores[0] > scores[1] ? mine : other;
    to.insert(to.end(), row.begin(), row.end());
  }
  std::vector<float> h(mine.begin(), mine.begin() + 256);
  h.insert(h.end(), other.begin(), other.begin() + 256);
  h.insert(h.end(), mine.begin() + 256, mine.begin() + 40 * 256);
  const std::vector<float> x(h.size(), 0.0f), all = m.run(pool, h, x);
  for (size_t r = 0; r < h.size() / 256; r++) {
    const auto row = [&](const std::vector<float>& of) { return std::vector<float>(&of[r * 256], &of[r * 256] + 256); };
    ASSERT_EQ(m.run(pool, row(h), row(x)), row(all)) << "row " << r;
  }
}

// Gate and up in one tensor, and weights that are left in the file, compute the same bits.
TEST(MoeOp, HoweverTheWeightsLie) {
  ThreadPool pool(2);
  for (const auto& [shape, type] :
       {std::pair{kOdd, DType::kF32}, std::pair{kBlocks, DType::kQ8_0}, std::pair{kWideBlocks, DType::kQ8_0}}) {
    Mixture m(shape, type, true, true);
    std::mt19937 random(13);
    const std::vector<float> h = random_floats(20 * shape.n_embd, random), x = random_floats(20 * shape.n_embd, random);
    const std::vector<float> expected = m.run(pool, h, x);

    Matrices fused(type, shape.n_embd, shape.n_ff, 2 * shape.n_experts, random);
    const size_t part = m.gate.file.size() / static_cast<size_t>(shape.n_experts);
    for (size_t e = 0; e < static_cast<size_t>(shape.n_experts); e++) {
      std::copy_n(&m.gate.file[e * part], part, &fused.file[2 * e * part]);
      std::copy_n(&m.up.file[e * part], part, &fused.file[(2 * e + 1) * part]);
    }
    fused.repack();
    const ops::MoeWeights separate = m.w;
    m.w.ffn_gate_up_exps = fused.w;
    m.w.ffn_gate_exps = m.w.ffn_up_exps = {};
    EXPECT_EQ(m.run(pool, h, x), expected);

    m.w.ffn_gate_up_exps = fused.in_file;
    m.w.ffn_down_exps = m.down.in_file;
    EXPECT_EQ(m.run(pool, h, x), expected);

    m.w = separate;
    m.w.ffn_up_exps = m.up.in_file;
    m.w.ffn_gate_inp = m.router.in_file;
    m.w.ffn_gate_shexp = m.gate_shared.in_file;
    m.w.ffn_down_shexp = m.down_shared.in_file;
    EXPECT_EQ(m.run(pool, h, x), expected);
  }
}

TEST(MoeOp, RoutesByValueThenById) {
  ThreadPool pool(2);
  Ctx ctx{select_kernels(nullptr), pool, ActBuffer()};
  const MoeShape shape = {
      .n_experts = 6, .n_used = 3, .n_embd = 32, .n_ff = 32, .n_ff_shared = 0, .gating = Gating::kSigmoid};
  ops::Routing routing(4, shape);
  std::vector<float> scores = {0,  1,  1,  1,    1,  -1,     // ties: 1, 2, 3
                               5,  0,  0,  0,    0,  4,      // 0, 5, then 1
                               0,  0,  0,  kNan, 0,  7,      // what is not a number is noticed: 3, 5, 0
                               -1, -2, -3, -4,   -5, -200};  // 0, 1, 2
  std::vector<float> copy = scores;
  routing.route(ctx, TensorView(copy.data(), 4, 6), nullptr, shape);
  const std::vector<std::vector<int>> kRowsOf = {{1, 2, 3}, {0, 1, 3}, {0, 3}, {0, 2}, {}, {1, 2}};
  size_t at = 0, group = 0;
  for (int e = 0; e < 6; e++) {
    if (kRowsOf[static_cast<size_t>(e)].empty()) continue;
    ASSERT_LT(group, routing.groups().size());
    const ops::Routing::Group& g = routing.groups()[group++];
    EXPECT_EQ(g.expert, e);
    EXPECT_EQ(g.first, static_cast<int>(at));
    ASSERT_EQ(g.n, static_cast<int>(kRowsOf[static_cast<size_t>(e)].size()));
    for (const int r : kRowsOf[static_cast<size_t>(e)]) {
      EXPECT_EQ(routing.rows()[at], r);
      const double share = 1 / (1 + std::exp(-double{scores[static_cast<size_t>(6 * r + e)]}));
      if (std::isnan(share)) {
        EXPECT_TRUE(std::isnan(routing.shares()[at]));
      } else {
        EXPECT_NEAR(routing.shares()[at], share, 1e-6);
      }
      at++;
    }
  }
  EXPECT_EQ(group, routing.groups().size());

  // A bias changes who is chosen, and no share.
  const std::vector<float> bias = {0, 0, 0, 0, 0, 10};
  copy.assign(scores.begin() + 18, scores.end());
  routing.route(ctx, TensorView(copy.data(), 1, 6), bias.data(), shape);
  ASSERT_EQ(routing.groups().size(), 3u);
  EXPECT_EQ(routing.groups()[2].expert, 5);
  EXPECT_NEAR(routing.shares()[0], 1 / (1 + std::exp(1.0)), 1e-6);
  EXPECT_EQ(routing.shares()[2], 0) << "sigmoid(-200)";
}

TEST(MoeOp, CountsTheExpertsOfAStep) {
  ThreadPool pool(2);
  Ctx ctx{select_kernels(nullptr), pool, ActBuffer()};
  const MoeShape shape = {.n_experts = 6, .n_used = 3, .n_embd = 32, .n_ff = 32, .n_ff_shared = 0};
  ops::Routing routing(5, shape);
  const std::vector<float> scores = {0, 1, 1, 1, 0, 0,   // 1, 2, 3
                                     2, 1, 0, 0, 0, 3,   // 0, 1, 5: one of them again
                                     1, 0, 0, 1, 0, 1,   // 0, 3, 5: two
                                     3, 2, 1, 0, 0, 0,   // 0, 1, 2: one
                                     0, 0, 0, 1, 2, 3};  // 3, 4, 5
  ExpertCount count = {.most_rows = 4};
  ctx.experts = &count;
  const auto step = [&](int first, int n) {
    std::vector<float> copy(scores.begin() + 6 * first, scores.end());
    routing.route(ctx, TensorView(copy.data(), n, 6), nullptr, shape);
    return std::vector<int64_t>{count.layers, count.rows, count.touched, count.chosen, count.again};
  };
  EXPECT_EQ(step(0, 4), (std::vector<int64_t>{1, 4, 5, 9, 4}));
  EXPECT_EQ(step(4, 1), (std::vector<int64_t>{2, 5, 8, 9, 4}));
  EXPECT_EQ(step(1, 2), (std::vector<int64_t>{3, 7, 12, 12, 6}));
  EXPECT_EQ(step(0, 5), (std::vector<int64_t>{3, 7, 12, 12, 6})) << "a prompt's rows are not counted";
}

TEST(MoeOp, ANanComesOutOfItsRowAlone) {
  ThreadPool pool(2);
  const Mixture m(kBlocks, DType::kQ8_0, false, true);
  std::mt19937 random(14);
  std::vector<float> h = random_floats(3 * kBlocks.n_embd, random);
  const std::vector<float> x(h.size(), 0.0f), good = m.run(pool, h, x);
  h[static_cast<size_t>(kBlocks.n_embd) + 17] = kNan;
  const std::vector<float> bad = m.run(pool, h, x);
  const size_t D = static_cast<size_t>(kBlocks.n_embd);
  for (size_t i = 0; i < bad.size(); i++) {
    if (i / D == 1) {
      EXPECT_TRUE(std::isnan(bad[i]));
    } else {
      EXPECT_EQ(bad[i], good[i]);
    }
  }
}

}  // namespace
}  // namespace nextn
