// Files with types that have no kernel of their own: they compute what the explicitly converted file computes.
#include <cmath>

#include "base/fp16.h"
#include "quant/blocks.h"
#include "quant/decode.h"
#include "quant/widen.h"
#include "tiny_model.h"

namespace nextn {
namespace {

struct Widened {
  DType type;
  size_t d_at;   // where a block has its scale
  size_t m_at;   // and its minimum or the minimum's scale; 0: none
  float m_of_d;  // which is this much of the scale
};

constexpr Widened kWidened[] = {
    {DType::kQ5_0, offsetof(BlockQ5_0, d), 0, 0},
    {DType::kIQ4_NL, offsetof(BlockIQ4_NL, d), 0, 0},
    {DType::kQ3_K, offsetof(BlockQ3_K, d), 0, 0},
    {DType::kQ4_1, offsetof(BlockQ4_1, d), offsetof(BlockQ4_1, m), -8},
    {DType::kQ5_1, offsetof(BlockQ5_1, d), offsetof(BlockQ5_1, m), -16},
    {DType::kQ2_K, offsetof(BlockQ2_K, d), offsetof(BlockQ2_K, dmin), 1},
};

void put_half(Bytes& bytes, size_t at, float v) {
  const uint16_t half = f32_to_f16(v);
  std::memcpy(bytes.data() + at, &half, sizeof half);
}

// Random bits under scales that give the weights a standard deviation of about `size`.
Bytes random_blocks(const Widened& w, size_t n_bytes, float size, std::mt19937& rng) {
  Bytes bytes(n_bytes);
  for (uint8_t& b : bytes) b = static_cast<uint8_t>(rng());
  const DTypeInfo& info = dtype_info(w.type);
  const auto scale_blocks = [&](size_t n, float unit) {
    for (size_t at = 0; at < n; at += info.block_bytes) {
      const float d = unit * (0.75f + 0.5f * static_cast<float>(rng() % 256) / 256);
      put_half(bytes, at + w.d_at, d);
      if (w.m_at != 0) put_half(bytes, at + w.m_at, w.m_of_d * d);
    }
  };
  const size_t n_blocks = std::min<size_t>(n_bytes / info.block_bytes, 64);
  scale_blocks(n_blocks * info.block_bytes, 1);
  std::vector<float> values(n_blocks * info.block_values);
  decode_row(w.type, bytes.data(), static_cast<int64_t>(values.size()), values.data());
  double squares = 0;
  for (const float v : values) squares += double{v} * v;
  const double rms = std::sqrt(squares / static_cast<double>(values.size()));
  scale_blocks(n_bytes, size / static_cast<float>(rms));
  return bytes;
}

bool is_matrix(const TestTensor& t) {
  return t.shape.size() >= 2 && !t.name.ends_with("ssm_conv1d.weight");
}

void convert(TestTensor& t, DType to) {
  const size_t row = t.data->size() / static_cast<size_t>(t.n_rows()), n_rows = static_cast<size_t>(t.n_rows());
  const DType from = t.type;
  t.type = to;
  const size_t out_row = t.n_bytes() / n_rows;
  Bytes out(t.n_bytes());
  for (size_t r = 0; r < n_rows; r++) {
    convert_row(from, to, t.data->data() + r * row, t.shape[0], out.data() + r * out_row);
  }
  t.data = std::make_shared<const Bytes>(std::move(out));
}

class Widening : public testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Tiny, Widening, testing::Values("tiny-loud-q4_k_m", "tiny-moe-loud-q4_k_m"),
                         [](const auto& info) { return info.index == 0 ? "dense" : "experts"; });

TEST_P(Widening, EqualsTheConvertedFile) {
  const std::vector<int32_t> tokens = random_tokens(6, 20);
  for (const Widened& w : kWidened) {
    SCOPED_TRACE(dtype_info(w.type).name);
    std::mt19937 rng(7);
    TestModel narrow(GetParam());
    for (TestTensor& t : narrow.tensors) {
      if (!is_matrix(t)) continue;
      t.type = w.type;
      const float size = t.name == "token_embd.weight" ? 1 : 1 / std::sqrt(static_cast<float>(t.shape[0]));
      t.data = std::make_shared<const Bytes>(random_blocks(w, t.n_bytes(), size, rng));
    }
    // A looked-up table is decoded, never rounded: its type stays where widening is not exact.
    TestModel wide = narrow;
    const DType type = runtime_type(w.type);
    for (TestTensor& t : wide.tensors) {
      if (is_matrix(t) && (exact_wider(w.type) || t.name != "token_embd.weight")) convert(t, type);
    }
    const Dump found = dump(narrow, tokens);
    expect_same(found, dump(wide, tokens));
    double squares = 0;
    const std::vector<float> logits = npy_values(found.logits);
    for (const float v : logits) squares += double{v} * v;
    const double rms = std::sqrt(squares / static_cast<double>(logits.size()));
    EXPECT_TRUE(rms > 0.2 && rms < 5) << rms;  // the blocks were sane

    narrow.remove("output.weight");  // a tied table is widened in tiles, and looked up there
    wide.remove("output.weight");
    if (wide.tensor("token_embd.weight").type != type) convert(wide.tensor("token_embd.weight"), type);
    expect_same(dump(narrow, tokens), dump(wide, tokens));
  }
}

}  // namespace
}  // namespace nextn
