// Files of every block format, mixed as people mix them, and scale tensors beside weights.
#include <cmath>

#include "base/fp16.h"
#include "kernels/pack.h"
#include "kernels/scales_of_test.h"
#include "quant/decode.h"
#include "tiny_model.h"

namespace nextn {
namespace {

constexpr const char* kTiny = "tiny-loud-q4_k_m";
constexpr const char* kExperts = "tiny-moe-loud-q4_k_m";

bool is_matrix(const TestTensor& t) {
  return t.shape.size() >= 2 && !t.name.ends_with("ssm_conv1d.weight");
}

std::vector<float> decoded(const TestTensor& t) {
  std::vector<float> values(static_cast<size_t>(t.n_values()));
  const size_t row = t.n_bytes() / static_cast<size_t>(t.n_rows());
  for (int64_t r = 0; r < t.n_rows(); r++) {
    decode_row(t.type, t.data->data() + static_cast<size_t>(r) * row, t.shape[0], values.data() + r * t.shape[0]);
  }
  return values;
}

void put_floats(TestTensor& t, const std::vector<float>& values) {
  t.type = DType::kF32;
  Bytes bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  t.data = std::make_shared<const Bytes>(std::move(bytes));
}

// Random bits under scales that give the weights a size near that of a trained matrix.
void put_random(TestTensor& t, DType type, std::mt19937& rng) {
  t.type = type;
  const DTypeInfo& info = dtype_info(type);
  Bytes bytes(t.n_bytes());
  for (uint8_t& b : bytes) b = static_cast<uint8_t>(rng());
  const auto scale_blocks = [&](float unit) {
    for (size_t at = 0; at < bytes.size(); at += info.block_bytes) {
      float sign = -1;  // of a scale, then of a minimum, for formats that add it; those that subtract it have any
      set_scales(type, bytes.data() + at, [&] {
        const float d = unit * (0.75f + 0.5f * static_cast<float>(rng() % 256) / 256);
        sign = -sign;
        if (sign > 0 || info.block_values == 256) return f32_to_f16(d);
        return f32_to_f16(-d * (type == DType::kQ4_1 ? 8 : 16));
      });
    }
    t.data = std::make_shared<const Bytes>(bytes);
  };
  const float size = t.name == "token_embd.weight" ? 1 : 1 / std::sqrt(static_cast<float>(t.shape[0]));
  const float first = type == DType::kNVFP4 ? size / 64 : size;
  scale_blocks(first);
  double squares = 0;
  for (const float v : decoded(t)) squares += double{v} * v;
  const double rms = std::sqrt(squares / static_cast<double>(t.n_values()));
  scale_blocks(first * size / static_cast<float>(rms));
}

// The model differs from one of the same weights in float only by its quantised activations. The error of a wrong
// weight, scale or minimum anywhere is near 1.
class MixedTypes : public testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Tiny, MixedTypes, testing::Values(kTiny, kExperts),
                         [](const auto& info) { return info.index == 0 ? "dense" : "experts"; });

TEST_P(MixedTypes, ComputeWhatTheirWeightsSay) {
  std::vector<DType> types;
  for (int f = 0; f < kNumPackFormats; f++) {
    const DType type = dtype_of(static_cast<PackFormat>(f));
    if (dtype_info(type).block_values > 1) types.push_back(type);
  }
  const std::vector<int32_t> tokens = random_tokens(6, 20);
  for (size_t shift = 0; shift < types.size(); shift += 5) {
    SCOPED_TRACE(shift);
    std::mt19937 rng(7);
    TestModel mixed(GetParam());
    size_t n = shift;
    for (TestTensor& t : mixed.tensors) {
      if (is_matrix(t)) put_random(t, types[n++ % types.size()], rng);
    }
    TestModel floats = mixed;
    for (TestTensor& t : floats.tensors) {
      if (is_matrix(t)) put_floats(t, decoded(t));
    }
    const std::vector<float> a = npy_values(dump(mixed, tokens).logits), b = npy_values(dump(floats, tokens).logits);
    ASSERT_EQ(a.size(), b.size());
    double error = 0, squares = 0;
    for (size_t i = 0; i < a.size(); i++) {
      error += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
      squares += double{b[i]} * b[i];
    }
    EXPECT_LT(error / squares, 0.03);
    const double rms = std::sqrt(squares / static_cast<double>(b.size()));
    EXPECT_TRUE(rms > 0.05 && rms < 20) << rms;  // the blocks were sane
  }
}

// Products of half the weights, and half the products of the weights, have the same bits.
TEST(Types, AScaleTensorIsAFactorOfTheProduct) {
  const std::vector<int32_t> tokens = random_tokens(6, 20);
  TestModel scaled(kTiny);
  for (TestTensor& t : scaled.tensors) {
    if (is_matrix(t)) put_floats(t, decoded(t));
  }
  TestModel halved = scaled;
  for (const char* name : {"blk.0.ffn_up", "blk.1.attn_qkv", "blk.3.attn_output", "blk.4.ffn_down", "output"}) {
    const std::string weight = std::string(name) + ".weight";
    std::vector<float> values = decoded(halved.tensor(weight));
    for (float& v : values) v *= 0.5f;
    put_floats(halved.tensor(weight), values);
    TestTensor scale = {std::string(name) + ".scale", {1}, DType::kF32, nullptr};
    put_floats(scale, {0.5f});
    scaled.tensors.push_back(scale);
  }
  const Dump found = dump(scaled, tokens);
  expect_same(found, dump(halved, tokens));
  TestModel without = scaled;
  without.remove("blk.1.attn_qkv.scale");
  EXPECT_FALSE(found.hidden == dump(without, tokens).hidden);
}

// Experts have a factor each.
TEST(Types, AScaleOfEachExpert) {
  const std::vector<int32_t> tokens = random_tokens(6, 20);
  TestModel scaled(kExperts);
  TestModel multiplied = scaled;
  int n_scaled = 0;
  for (TestTensor& t : multiplied.tensors) {
    if (!t.name.ends_with("_exps.weight")) continue;
    std::vector<float> values = decoded(t);
    put_floats(scaled.tensor(t.name), values);
    const size_t n_experts = static_cast<size_t>(t.shape[2]), each = values.size() / n_experts;
    std::vector<float> scales(n_experts);
    for (size_t e = 0; e < n_experts; e++) {
      scales[e] = e % 3 == 0 ? 0.5f : e % 3 == 1 ? 1.0f : 2.0f;
      for (size_t i = e * each; i < (e + 1) * each; i++) values[i] *= scales[e];
    }
    put_floats(t, values);
    TestTensor scale = {t.name.substr(0, t.name.size() - 6) + "scale", {t.shape[2]}, DType::kF32, nullptr};
    put_floats(scale, scales);
    scaled.tensors.push_back(scale);
    n_scaled++;
  }
  EXPECT_GE(n_scaled, 3);
  expect_same(dump(scaled, tokens), dump(multiplied, tokens));
}

}  // namespace
}  // namespace nextn
