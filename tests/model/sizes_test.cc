// Sizes that no published model has, with plain and with block weights: every instruction set, any number of rows at
// once, the same bytes, and nothing that is not a number.
#include <algorithm>
#include <cmath>

#include "base/cpu_features.h"
#include "base/fp16.h"
#include "tiny_model.h"

namespace nextn {
namespace {

struct Sizes {
  DType type;  // of the matrices
  uint32_t n_embd, n_ff, n_heads, n_kv_heads, head_dim, n_rot, n_key_heads, n_value_heads, state, taps;
  bool tied;
};

constexpr Sizes kSizes[] = {
    {DType::kF32, 100, 90, 3, 1, 96, 10, 1, 3, 16, 1, false},  // the widths no multiple of 16
    {DType::kF32, 33, 35, 1, 1, 32, 2, 3, 3, 48, 8, true},
    {DType::kF16, 100, 90, 3, 1, 96, 10, 1, 3, 16, 1, true},
    {DType::kBF16, 77, 51, 4, 2, 64, 64, 2, 6, 96, 3, false},
    {DType::kQ8_0, 96, 160, 6, 2, 32, 32, 1, 5, 32, 2, true},
    {DType::kQ4_0, 160, 96, 5, 5, 160, 20, 2, 2, 192, 5, false},
    {DType::kQ4_0, 32, 32, 1, 1, 32, 4, 1, 1, 32, 4, true},
};

// F32, the types that are cut or rounded from it, and rough blocks of 32: the largest value is 7 or 127 steps.
Bytes encode(DType type, const std::vector<float>& values) {
  Bytes out;
  const auto put = [&](const auto v) {
    const auto* p = reinterpret_cast<const uint8_t*>(&v);
    out.insert(out.end(), p, p + sizeof v);
  };
  for (size_t at = 0; at < values.size(); at++) {
    const float v = values[at];
    if (type == DType::kF32) {
      put(v);
    } else if (type == DType::kF16) {
      put(f32_to_f16(v));
    } else if (type == DType::kBF16) {
      put(static_cast<uint16_t>(bits_of_float(v) >> 16));
    } else {
      if (at % 32 != 0) continue;
      const int steps = type == DType::kQ8_0 ? 127 : 7;
      float largest = 0;
      for (size_t i = at; i < at + 32; i++) largest = std::max(largest, std::abs(values[i]));
      put(f32_to_f16(largest / static_cast<float>(steps)));
      const auto q = [&](size_t i) { return std::lround(values[at + i] / largest * static_cast<float>(steps)); };
      for (size_t i = 0; i < 32 && type == DType::kQ8_0; i++) put(static_cast<int8_t>(q(i)));
      for (size_t i = 0; i < 16 && type == DType::kQ4_0; i++)
        put(static_cast<uint8_t>((q(i) + 8) | (q(i + 16) + 8) << 4));
    }
  }
  return out;
}

// Random weights in the shapes that the sizes ask for.
TestModel make(const Sizes& s) {
  TestModel m("tiny-loud-f32");
  const auto set = [&](const char* key, uint32_t v) { m.set(std::string("qwen35.") + key, v); };
  set("embedding_length", s.n_embd);
  set("feed_forward_length", s.n_ff);
  set("attention.head_count", s.n_heads);
  set("attention.head_count_kv", s.n_kv_heads);
  set("attention.key_length", s.head_dim);
  set("attention.value_length", s.head_dim);
  set("rope.dimension_count", s.n_rot);
  set("ssm.group_count", s.n_key_heads);
  set("ssm.time_step_rank", s.n_value_heads);
  set("ssm.state_size", s.state);
  set("ssm.inner_size", s.n_value_heads * s.state);
  set("ssm.conv_kernel", s.taps);
  if (s.tied) m.remove("output.weight");
  const int64_t D = s.n_embd, F = s.n_ff, A = int64_t{s.n_heads} * s.head_dim, Kv = int64_t{s.n_kv_heads} * s.head_dim;
  const int64_t Vw = int64_t{s.n_value_heads} * s.state, C = 2 * int64_t{s.n_key_heads} * s.state + Vw;
  const std::pair<const char*, std::vector<int64_t>> kShapes[] = {
      // by the end of the name, the first that fits
      {"attn_output.weight", {A, D}},
      {"token_embd.weight", {D, 2048}},
      {"output.weight", {D, 2048}},
      {"output_norm.weight", {D}},
      {".attn_norm.weight", {D}},
      {".post_attention_norm.weight", {D}},
      {"nextn.enorm.weight", {D}},
      {"nextn.hnorm.weight", {D}},
      {"nextn.shared_head_norm.weight", {D}},
      {"nextn.eh_proj.weight", {2 * D, D}},
      {"attn_q.weight", {D, 2 * A}},
      {"attn_k.weight", {D, Kv}},
      {"attn_v.weight", {D, Kv}},
      {"attn_q_norm.weight", {s.head_dim}},
      {"attn_k_norm.weight", {s.head_dim}},
      {"attn_qkv.weight", {D, C}},
      {"attn_gate.weight", {D, Vw}},
      {"ssm_conv1d.weight", {s.taps, C}},
      {"ssm_dt.bias", {s.n_value_heads}},
      {"ssm_a", {s.n_value_heads}},
      {"ssm_beta.weight", {D, s.n_value_heads}},
      {"ssm_alpha.weight", {D, s.n_value_heads}},
      {"ssm_norm.weight", {s.state}},
      {"ssm_out.weight", {Vw, D}},
      {"ffn_gate.weight", {D, F}},
      {"ffn_up.weight", {D, F}},
      {"ffn_down.weight", {F, D}},
  };
  std::mt19937 rng(13);
  for (TestTensor& t : m.tensors) {
    const auto it = std::ranges::find_if(kShapes, [&](const auto& x) { return t.name.ends_with(x.first); });
    NEXTN_CHECK(it != std::end(kShapes));
    t.shape = it->second;
    const bool matrix = t.shape.size() == 2 && !t.name.ends_with("conv1d.weight");
    const float size = t.name == "token_embd.weight" ? 1 : 1 / std::sqrt(static_cast<float>(t.shape[0]));
    std::vector<float> values(static_cast<size_t>(t.n_values()));
    std::normal_distribution<float> normal(0, matrix ? size : 0.2f);
    for (float& v : values)
      v = (matrix || t.name.ends_with("conv1d.weight") ? 0 : t.name.ends_with("ssm_a") ? -1 : 1) + normal(rng);
    t.type = matrix ? s.type : DType::kF32;
    t.data = std::make_shared<const Bytes>(encode(t.type, values));
  }
  return m;
}

TEST(Sizes, SameBytesEverywhere) {
  const std::vector<int32_t> tokens = random_tokens(14, 19);
  int i = 0;
  for (const Sizes& s : kSizes) {
    SCOPED_TRACE(i++);
    const Bytes bytes = make(s).bytes();
    EngineOptions o = memory_options(bytes);
    o.isa = "scalar";
    const Dump scalar = dump(o, tokens);
    for (const std::string& file : {scalar.logits, scalar.mtp_logits}) {
      double squares = 0;
      const std::vector<float> logits = npy_values(file);
      for (const float v : logits) squares += double{v} * v;
      const double rms = std::sqrt(squares / static_cast<double>(logits.size()));
      EXPECT_TRUE(rms > 0.2 && rms < 20) << rms;  // a tied table has large logits
    }
    o.row_limit = 5;
    expect_same(dump(o, tokens), scalar);
    if (cpu_features().avx2) {
      o.isa = "avx2";
      expect_same(dump(o, tokens), scalar);
    }
    if (cpu_features().avx512) {
      o.isa = "avx512";
      expect_same(dump(o, tokens), scalar);
      o.n_threads = 2;
      expect_same(dump(o, tokens), scalar);
    }
  }
}

}  // namespace
}  // namespace nextn
