// The attention ops over a cache of more than one piece.
#include "ops/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "quant/decode.h"

namespace nextn {
namespace {

constexpr int kCtx = 700, kHeads = 6, kKvHeads = 2, kDim = 64, kQStride = 2 * kDim;
constexpr float kScale = 0.3f;
constexpr ops::AttentionShape kShape = {kHeads, kKvHeads, kDim, kScale, true};

std::vector<float> random_floats(int64_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> x(static_cast<size_t>(n));
  for (float& value : x) value = normal(random);
  return x;
}

// One sequence's cache with every position stored through the op.
struct Cache {
  Cache(Ctx& ctx, KvType k_type, KvType v_type, uint32_t seed)
      : k(random_floats(kCtx * kKvHeads * kDim, seed)), v(random_floats(kCtx * kKvHeads * kDim, seed + 1)) {
    bytes.resize(static_cast<size_t>(kv_layer_bytes(kCtx, kKvHeads, kDim, k_type, v_type)));
    view = kv_view(bytes.data(), kCtx, kKvHeads, kDim, k_type, v_type);
    std::vector<ops::AttentionRow> rows(kCtx);
    for (int p = 0; p < kCtx; p++) rows[p] = {.position = p, .cache = view};
    store(ctx, k, v, rows);
  }
  // Without a norm or a rotation: rows of k come out of the norm as they are meant to be stored.
  static void store(Ctx& ctx, std::vector<float>& k, std::vector<float>& v,
                    const std::vector<ops::AttentionRow>& rows) {
    const std::vector<float> ones(kDim, 1.0f);
    const auto n = static_cast<int64_t>(rows.size());
    const TensorView none(nullptr, n, 0);
    ops::norm_rope_store(ctx, {}, {TensorView(k.data(), n, kKvHeads * kDim), kKvHeads, kDim, ones.data()},
                         {TensorView(v.data(), n, kKvHeads * kDim), kKvHeads, kDim}, kDim, 1e-6f, none, none, rows);
  }
  static std::vector<float> read(KvType type, const uint8_t* cached) {
    std::vector<float> x(kDim);
    decode_row(type == KvType::kF32   ? DType::kF32
               : type == KvType::kF16 ? DType::kF16
                                      : DType::kQ8_0,
               cached, kDim, x.data());
    return x;
  }
  std::vector<float> key(int p, int head) const { return read(view.k_type, view.key(p, head)); }
  std::vector<float> value(int p, int head) const { return read(view.v_type, view.value(p, head)); }

  std::vector<float> k, v;
  std::vector<uint8_t> bytes;
  KvView view;
};

std::vector<float> attend(Ctx& ctx, std::vector<float>& q, const std::vector<ops::AttentionRow>& rows) {
  const auto n = static_cast<int64_t>(rows.size());
  std::vector<float> out(static_cast<size_t>(n * kHeads * kDim));
  for (size_t i = 0; i < q.size(); i++) {
    if (i % kQStride >= kDim) q[i] = 100;  // gates that are exactly 1
  }
  ctx.act = ActBuffer(n, kHeads * kDim);
  ops::attend_q8(ctx, TensorView(out.data(), n, kHeads * kDim), TensorView(q.data(), n, kHeads * kQStride), kShape,
                 rows);
  return out;
}

// Head h of one row by a softmax in doubles over all positions.
std::vector<double> direct_softmax(const float* q, const Cache& cache, int kv_head, int64_t position) {
  std::vector<double> p, o(kDim);
  double most = -1e300, sum = 0;
  for (int i = 0; i <= position; i++) {
    const std::vector<float> key = cache.key(i, kv_head);
    double s = 0;
    for (int d = 0; d < kDim; d++) s += static_cast<double>(q[d]) * key[d];
    p.push_back(s * kScale);
    most = std::max(most, p.back());
  }
  for (double& x : p) sum += x = std::exp(x - most);
  for (int i = 0; i <= position; i++) {
    const std::vector<float> value = cache.value(i, kv_head);
    for (int d = 0; d < kDim; d++) o[d] += p[i] / sum * value[d];
  }
  return o;
}

TEST(AttentionOp, AgreesWithASoftmaxInDoublesAcrossPieces) {
  ThreadPool pool(2);
  Ctx ctx{select_kernels(nullptr), pool, ActBuffer()};
  for (const auto& [k_type, v_type] : {std::pair{KvType::kF16, KvType::kF16}, std::pair{KvType::kQ8_0, KvType::kF32}}) {
    const Cache cache(ctx, k_type, v_type, 1);
    std::vector<ops::AttentionRow> rows;
    for (const int64_t position : {0, 1, 254, 255, 256, 257, 511, 512, 699}) rows.push_back({position, cache.view});
    std::vector<float> q = random_floats(static_cast<int64_t>(rows.size()) * kHeads * kQStride, 2);
    const std::vector<float> out = attend(ctx, q, rows);
    for (size_t r = 0; r < rows.size(); r++) {
      for (int h = 0; h < kHeads; h++) {
        const std::vector<double> exact =
            direct_softmax(&q[(r * kHeads + h) * kQStride], cache, h / (kHeads / kKvHeads), rows[r].position);
        for (int d = 0; d < kDim; d++) {
          ASSERT_NEAR(out[(r * kHeads + h) * kDim + d], exact[d], 5e-6)
              << "position " << rows[r].position << " head " << h;
        }
      }
    }
  }
}

// Rows of two sequences at many positions, in one batch, alone, on several threads; what the cache holds beyond a row's
// position does not count.
TEST(AttentionOp, ARowIsTheSameInAnyBatch) {
  ThreadPool one(1), three(3);
  Ctx ctx{select_kernels(nullptr), one, ActBuffer()}, parallel{select_kernels(nullptr), three, ActBuffer()};
  Cache a(ctx, KvType::kF16, KvType::kQ8_0, 3), b(ctx, KvType::kF16, KvType::kQ8_0, 5);
  std::vector<ops::AttentionRow> rows;
  for (int64_t p = 0; p < 40; p++) rows.push_back({(p * 17) % 600, p % 3 == 0 ? b.view : a.view});
  std::vector<float> q = random_floats(40 * kHeads * kQStride, 4);
  const std::vector<float> batch = attend(ctx, q, rows);
  EXPECT_EQ(attend(parallel, q, rows), batch);
  for (Cache* cache : {&a, &b}) {  // positions that no row reaches
    for (int h = 0; h < kKvHeads; h++) {
      for (int p = 600; p < kCtx; p++) {
        std::fill_n(cache->view.key(p, h), cache->view.k_stride, 0xff);
        std::fill_n(cache->view.value(p, h), cache->view.v_stride, 0xff);
      }
    }
  }
  const size_t width = kHeads * kDim;
  for (size_t r = 0; r < rows.size(); r++) {
    std::vector<float> one_q(&q[r * kHeads * kQStride], &q[(r + 1) * kHeads * kQStride]);
    const std::vector<float> alone = attend(ctx, one_q, {rows[r]});
    ASSERT_EQ(std::memcmp(alone.data(), &batch[r * width], width * sizeof(float)), 0) << "row " << r;
  }
}

TEST(AttentionOp, ASkippedRowIsNotStored) {
  ThreadPool pool(1);
  Ctx ctx{select_kernels(nullptr), pool, ActBuffer()};
  Cache cache(ctx, KvType::kF32, KvType::kF32, 7);
  std::vector<uint8_t> expected = cache.bytes;
  std::vector<float> other = random_floats(2 * kKvHeads * kDim, 8);
  const TensorView x(other.data(), 2, kKvHeads * kDim);
  const std::vector<ops::AttentionRow> rows = {{3, cache.view, true}, {4, cache.view, false}};
  Cache::store(ctx, other, other, rows);
  for (int h = 0; h < kKvHeads; h++) {
    for (const uint8_t* at : {cache.view.key(4, h), cache.view.value(4, h)}) {
      std::memcpy(&expected[static_cast<size_t>(at - cache.bytes.data())], x.row(1) + h * kDim, kDim * sizeof(float));
    }
  }
  EXPECT_TRUE(cache.bytes == expected);
}

TEST(AttentionOp, HeadsAreNormedThenRotatedThenGated) {
  ThreadPool pool(2);
  Ctx ctx{select_kernels(nullptr), pool, ActBuffer()};
  const int n_rows = 3, n_pairs = 8;
  const int64_t positions[] = {0, 5, 100'000};
  std::vector<double> freq(n_pairs);
  for (int i = 0; i < n_pairs; i++) freq[i] = std::pow(10'000.0, -i / 8.0);
  std::vector<float> cos(n_rows * n_pairs), sin(n_rows * n_pairs), w = random_floats(kDim, 9);
  const TensorView c(cos.data(), n_rows, n_pairs), s(sin.data(), n_rows, n_pairs);
  ops::rope_angles(ctx, c, s, freq, positions);
  std::vector<float> x = random_floats(n_rows * kHeads * kQStride, 10);
  const std::vector<float> before = x;
  ops::norm_and_rope(ctx, {TensorView(x.data(), n_rows, kHeads * kQStride), kHeads, kQStride, w.data()}, kDim, 1e-6f, c,
                     s);
  for (int r = 0; r < n_rows; r++) {
    for (int h = 0; h < kHeads; h++) {
      const float* const in = &before[(r * kHeads + h) * kQStride];
      const float* const out = &x[(r * kHeads + h) * kQStride];
      double sum = 0, normed[kDim];
      for (int d = 0; d < kDim; d++) sum += static_cast<double>(in[d]) * in[d];
      for (int d = 0; d < kDim; d++) normed[d] = in[d] / std::sqrt(sum / kDim + 1e-6) * w[d];
      for (int i = 0; i < n_pairs; i++) {
        const double angle = static_cast<double>(positions[r]) * freq[i], a = normed[i], b = normed[i + n_pairs];
        EXPECT_NEAR(out[i], a * std::cos(angle) - b * std::sin(angle), 2e-6);
        EXPECT_NEAR(out[i + n_pairs], a * std::sin(angle) + b * std::cos(angle), 2e-6);
      }
      for (int d = 2 * n_pairs; d < kDim; d++) EXPECT_NEAR(out[d], normed[d], 2e-6);
      for (int d = kDim; d < kQStride; d++) EXPECT_EQ(out[d], in[d]) << "the gate beside the head";
    }
  }
}

// All in one op, against the single ones: queries normed and rotated, keys too and stored, values stored.
TEST(AttentionOp, NormRopeStoreIsItsParts) {
  ThreadPool pool(2);
  Ctx ctx{select_kernels(nullptr), pool, ActBuffer()};
  for (const int n_rows : {1, 3, 11}) {
    const Cache cache(ctx, KvType::kF16, KvType::kQ8_0, 12);
    const int n_pairs = 8;
    std::vector<float> cos = random_floats(n_rows * n_pairs, 13), sin = random_floats(n_rows * n_pairs, 14),
                       q_norm = random_floats(kDim, 15), k_norm = random_floats(kDim, 16);
    const TensorView c(cos.data(), n_rows, n_pairs), s(sin.data(), n_rows, n_pairs);
    std::vector<float> q = random_floats(n_rows * kHeads * kQStride, 17),
                       k = random_floats(n_rows * kKvHeads * kDim, 18), v = random_floats(n_rows * kKvHeads * kDim, 19),
                       q_parts = q, k_parts = k;
    std::vector<ops::AttentionRow> rows;
    for (int r = 0; r < n_rows; r++) rows.push_back({.position = 40 + 3 * r, .cache = cache.view});
    const auto heads = [&](std::vector<float>& x, int n, int64_t stride, const std::vector<float>& norm) {
      return ops::Heads{TensorView(x.data(), n_rows, n * stride), n, stride, norm.data()};
    };
    ops::norm_and_rope(ctx, heads(q_parts, kHeads, kQStride, q_norm), kDim, 1e-6f, c, s);
    ops::norm_and_rope(ctx, heads(k_parts, kKvHeads, kDim, k_norm), kDim, 1e-6f, c, s);
    ops::norm_rope_store(ctx, heads(q, kHeads, kQStride, q_norm), heads(k, kKvHeads, kDim, k_norm),
                         {TensorView(v.data(), n_rows, kKvHeads * kDim), kKvHeads, kDim}, kDim, 1e-6f, c, s, rows);
    EXPECT_EQ(q, q_parts);
    EXPECT_EQ(k, k_parts);
    for (int r = 0; r < n_rows; r++) {
      for (int h = 0; h < kKvHeads; h++) {
        std::vector<uint8_t> bytes(static_cast<size_t>(kv_bytes(KvType::kF32, kDim)));
        const size_t at = static_cast<size_t>(r * kKvHeads + h) * kDim;
        kv_store(KvType::kF16, &k_parts[at], kDim, bytes.data());
        EXPECT_EQ(std::memcmp(bytes.data(), cache.view.key(40 + 3 * r, h), static_cast<size_t>(cache.view.k_stride)),
                  0);
        kv_store(KvType::kQ8_0, &v[at], kDim, bytes.data());
        EXPECT_EQ(std::memcmp(bytes.data(), cache.view.value(40 + 3 * r, h), static_cast<size_t>(cache.view.v_stride)),
                  0);
      }
    }
  }
}

TEST(AttentionOp, HeadsAreGated) {
  ThreadPool pool(2);
  Ctx ctx{select_kernels(nullptr), pool, ActBuffer()};
  const Cache cache(ctx, KvType::kF16, KvType::kF16, 20);
  const std::vector<ops::AttentionRow> rows = {{300, cache.view}, {301, cache.view}};
  std::vector<float> qg = random_floats(2 * kHeads * kQStride, 21), open = qg;
  const std::vector<float> ungated = attend(ctx, open, rows);
  std::vector<float> out(ungated.size());
  ops::attend_q8(ctx, TensorView(out.data(), 2, kHeads * kDim), TensorView(qg.data(), 2, kHeads * kQStride), kShape,
                 rows);
  for (size_t i = 0; i < out.size(); i++) {
    const double gate = qg[i / kDim * kQStride + kDim + i % kDim];
    EXPECT_NEAR(out[i], ungated[i] / (1 + std::exp(-gate)), 1e-6);
  }
}

// Blocks of activations that are a part of a head, a group of heads, and several groups.
TEST(AttentionOp, WhatComesOutIsQuantisedInWholeBlocks) {
  ThreadPool pool(2);
  Ctx ctx{select_kernels(nullptr), pool, ActBuffer()};
  const Cache cache(ctx, KvType::kF16, KvType::kF16, 20);
  for (const int n_heads : {6, 8, 4}) {
    for (const int n_rows : {2, 60}) {
      const int64_t width = n_heads * kDim;
      std::vector<ops::AttentionRow> rows;
      for (int r = 0; r < n_rows; r++) rows.push_back({300 + r, cache.view});
      std::vector<float> qg = random_floats(n_rows * 2 * width, 21), out(static_cast<size_t>(n_rows * width));
      ctx.act = ActBuffer(n_rows, width);
      ops::attend_q8(ctx, TensorView(out.data(), n_rows, width), TensorView(qg.data(), n_rows, 2 * width),
                     {n_heads, kKvHeads, kDim, kScale, true}, rows);
      ASSERT_EQ(ctx.act.source, out.data());
      std::vector<int8_t> q(width);
      std::vector<float> scale(width / kActBlock);
      std::vector<int16_t> sum(width / 16);
      for (int r = 0; r < n_rows; r++) {
        SCOPED_TRACE(std::to_string(n_heads) + " heads, row " + std::to_string(r) + " of " + std::to_string(n_rows));
        ctx.kernels.quantize(&out[r * width], width, ctx.act.block(width), q.data(), scale.data(), sum.data());
        EXPECT_EQ(std::memcmp(q.data(), ctx.act.q(r, width), q.size()), 0);
        EXPECT_EQ(std::memcmp(scale.data(), ctx.act.scale(r, width), scale.size() * sizeof(float)), 0);
        EXPECT_EQ(std::memcmp(sum.data(), ctx.act.sum(r, width), sum.size() * sizeof(int16_t)), 0);
      }
    }
  }
}

// Heads without gates, side by side, are the gated ones with gates that are open.
TEST(AttentionOp, HeadsWithoutGates) {
  ThreadPool pool(2);
  Ctx ctx{select_kernels(nullptr), pool, ActBuffer()};
  const Cache cache(ctx, KvType::kF16, KvType::kF16, 22);
  const std::vector<ops::AttentionRow> rows = {{300, cache.view}, {301, cache.view}};
  std::vector<float> open = random_floats(2 * kHeads * kQStride, 23), q;
  const std::vector<float> gated = attend(ctx, open, rows);
  for (size_t i = 0; i < open.size(); i++) {
    if (i % kQStride < kDim) q.push_back(open[i]);
  }
  std::vector<float> out(gated.size());
  ops::AttentionShape shape = kShape;
  shape.gated = false;
  ops::attend_q8(ctx, TensorView(out.data(), 2, kHeads * kDim), TensorView(q.data(), 2, kHeads * kDim), shape, rows);
  EXPECT_EQ(out, gated);
}

// Biases are added before anything else; without a norm, heads are rotated as they are.
TEST(AttentionOp, BiasesComeFirst) {
  ThreadPool pool(2);
  Ctx ctx{select_kernels(nullptr), pool, ActBuffer()};
  const Cache cache(ctx, KvType::kF32, KvType::kF32, 24);
  const int n_rows = 2, n_pairs = 8;
  std::vector<float> cos = random_floats(n_rows * n_pairs, 25), sin = random_floats(n_rows * n_pairs, 26),
                     norm = random_floats(kDim, 27), bias = random_floats(kHeads * kDim, 28);
  const TensorView c(cos.data(), n_rows, n_pairs), s(sin.data(), n_rows, n_pairs);
  const std::vector<ops::AttentionRow> rows = {{5, cache.view}, {6, cache.view}};
  for (const float* const w : {static_cast<const float*>(norm.data()), static_cast<const float*>(nullptr)}) {
    std::vector<float> q = random_floats(n_rows * kHeads * kDim, 29), k = random_floats(n_rows * kKvHeads * kDim, 30),
                       v = k, q_sum = q, k_sum = k, v_sum = v;
    const auto heads = [&](std::vector<float>& x, int n, const float* head_norm, const float* b) {
      return ops::Heads{TensorView(x.data(), n_rows, n * kDim), n, kDim, head_norm, b};
    };
    for (size_t i = 0; i < q.size(); i++) q_sum[i] += bias[i % (kHeads * kDim)];
    for (size_t i = 0; i < k.size(); i++) v_sum[i] = k_sum[i] += bias[i % (kKvHeads * kDim)];
    ops::norm_rope_store(ctx, heads(q_sum, kHeads, w, nullptr), heads(k_sum, kKvHeads, w, nullptr),
                         heads(v_sum, kKvHeads, nullptr, nullptr), kDim, 1e-6f, c, s, rows);
    const std::vector<uint8_t> expected = cache.bytes;
    ops::norm_rope_store(ctx, heads(q, kHeads, w, bias.data()), heads(k, kKvHeads, w, bias.data()),
                         heads(v, kKvHeads, nullptr, bias.data()), kDim, 1e-6f, c, s, rows);
    EXPECT_EQ(q, q_sum);
    EXPECT_EQ(k, k_sum);
    EXPECT_TRUE(cache.bytes == expected);
    for (int r = 0; r < n_rows; r++) {
      for (int h = 0; h < kKvHeads; h++) {
        const float* const value = &v[static_cast<size_t>(r * kKvHeads + h) * kDim];
        EXPECT_EQ(std::memcmp(value, cache.view.value(5 + r, h), kDim * sizeof(float)), 0);
      }
    }
    const std::vector<float> before = random_floats(n_rows * kHeads * kDim, 29);
    if (w == nullptr) {
      EXPECT_EQ(q[2 * n_pairs], before[2 * n_pairs] + bias[2 * n_pairs]) << "not rotated, not normed";
    }
  }
}

// Rope of pairs (2i, 2i + 1): what comes out is parted, the norm's weights are not.
TEST(AttentionOp, NeighboursArePartedAfterTheNorm) {
  ThreadPool pool(2);
  Ctx ctx{select_kernels(nullptr), pool, ActBuffer()};
  const int n_pairs = 12;
  std::vector<float> cos = random_floats(n_pairs, 31), sin = random_floats(n_pairs, 32), norm = random_floats(kDim, 33),
                     x = random_floats(kHeads * kDim, 34), parted = x;
  const TensorView c(cos.data(), 1, n_pairs), s(sin.data(), 1, n_pairs);
  ops::norm_and_rope(ctx, {TensorView(x.data(), 1, kHeads * kDim), kHeads, kDim, norm.data(), nullptr, true}, kDim,
                     1e-6f, c, s);
  for (int h = 0; h < kHeads; h++) {
    float* const head = &parted[static_cast<size_t>(h) * kDim];
    ctx.kernels.rms_norm(head, head, norm.data(), kDim, 1e-6f);
    const std::vector<float> normed(head, head + kDim);
    for (int i = 0; i < n_pairs; i++) {
      head[i] = normed[static_cast<size_t>(2 * i)];
      head[i + n_pairs] = normed[static_cast<size_t>(2 * i + 1)];
    }
    ctx.kernels.rope(head, cos.data(), sin.data(), 2 * n_pairs);
  }
  EXPECT_EQ(x, parted);
}

}  // namespace
}  // namespace nextn
