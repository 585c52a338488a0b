// Files that are not what the architecture asks for: each tensor missing or mis-shaped in turn, heads that cannot be
// used, keys that are missing, mistyped or contradict each other. The error says file, name, expectation and finding.
#include <fmt/ranges.h>

#include <algorithm>

#include "tiny_model.h"

namespace nextn {
namespace {

constexpr const char* kModel = "tiny-loud-q4_k_m";
constexpr const char* kHead = "blk.4.";

bool is_head(const std::string& name) {
  return name.starts_with(kHead);
}

bool is_optional(const std::string& name) {
  constexpr std::string_view kOptional[] = {"output.weight", "blk.4.nextn.shared_head_norm.weight",
                                            "blk.4.nextn.embed_tokens.weight", "blk.4.nextn.shared_head_head.weight"};
  return std::ranges::count(kOptional, name) > 0;
}

bool has_head(const TestModel& m) {
  return std::ranges::any_of(m.tensors, [](const TestTensor& t) { return is_head(t.name); });
}

void load(const Bytes& bytes, SpecType spec) {
  EngineOptions o = memory_options(bytes);
  o.spec = spec;
  Engine engine(o);
}

// Without its head the file loads, unless it must be there.
void expect_broken_head(const TestModel& m, const std::string& message) {
  const Bytes bytes = m.bytes();
  const HeadVerdict verdict = inspect_head(gguf::File::from_memory(kName, bytes));
  EXPECT_EQ(verdict.kind, HeadVerdict::Kind::kIncomplete);
  EXPECT_EQ(verdict.reason, message);
  expect_error([&] { load(bytes, SpecType::kMtp); }, ErrorCode::kFile, message);
  for (const SpecType spec : {SpecType::kAuto, SpecType::kNone}) {
    EngineOptions o = memory_options(bytes);
    o.spec = spec;
    Engine engine(o);
    EXPECT_FALSE(engine.model().info().has_head);
    EXPECT_EQ(engine.model().weight_bytes()[static_cast<size_t>(WeightRole::kMtpHead)], 0u);
  }
}

void expect_broken_trunk(const TestModel& m, const std::string& message, ErrorCode code = ErrorCode::kFile) {
  const Bytes bytes = m.bytes();
  for (const SpecType spec : {SpecType::kAuto, SpecType::kNone, SpecType::kMtp}) {
    if (spec == SpecType::kMtp && !has_head(m)) continue;
    expect_error([&] { load(bytes, spec); }, code, message);
  }
}

void expect_broken(const std::string& name, const TestModel& m, const std::string& message) {
  SCOPED_TRACE(message);
  if (is_head(name)) {
    expect_broken_head(m, message);
  } else {
    expect_broken_trunk(m, message);
  }
}

// The models, one of each architecture, and how many of their tensors must be there.
class Tensors : public testing::TestWithParam<std::pair<const char*, int>> {};

INSTANTIATE_TEST_SUITE_P(Tiny, Tensors,
                         testing::Values(std::pair{kModel, 69}, std::pair{"tiny-moe-loud-q4_k_m", 94},
                                         std::pair{"tiny-glm45-loud-q8_0", 95}, std::pair{"tiny-qwen3-mixed-q8_0", 46},
                                         std::pair{"tiny-next-mixed-q8_0", 91}, std::pair{"tiny-qwen2-loud-q4_k_m", 50},
                                         std::pair{"tiny-llama-mixed-q4_k_m", 38}),
                         [](const auto& info) {
                           std::string name = std::string(info.param.first).substr(5);
                           std::erase(name, '-');
                           return name;
                         });

TEST_P(Tensors, EachMissing) {
  const TestModel whole(GetParam().first);
  int n = 0;
  for (const TestTensor& t : whole.tensors) {
    if (is_optional(t.name)) continue;
    TestModel m = whole;
    m.remove(t.name);
    expect_broken(
        t.name, m,
        fmt::format("m.gguf: {}: expected [{}], the file has no such tensor", t.name, fmt::join(t.shape, ", ")));
    n++;
  }
  EXPECT_EQ(n, GetParam().second);
}

TEST_P(Tensors, EachMisshaped) {
  const TestModel whole(GetParam().first);
  for (const TestTensor& good : whole.tensors) {
    std::vector<std::vector<int64_t>> wrong = {good.shape, good.shape};
    wrong[0].back() += 1;
    wrong[1].push_back(2);
    if (good.shape.size() == 2 && good.shape[0] != good.shape[1]) wrong.push_back({good.shape[1], good.shape[0]});
    for (const std::vector<int64_t>& shape : wrong) {
      TestModel m = whole;
      TestTensor& t = m.tensor(good.name);
      t.shape = shape;
      if (shape[0] % dtype_info(t.type).block_values != 0) t.type = DType::kF32;
      t.resize();
      expect_broken(good.name, m,
                    fmt::format("m.gguf: {}: expected [{}], file has [{}]", good.name, fmt::join(good.shape, ", "),
                                fmt::join(shape, ", ")));
    }
  }
}

TEST(Binding, OptionalHeadTensorsMisshaped) {
  TestModel m(kModel);
  m.add_copy("blk.4.nextn.embed_tokens.weight", "blk.4.ffn_up.weight");
  expect_broken_head(m, "m.gguf: blk.4.nextn.embed_tokens.weight: expected [256, 2048], file has [256, 512]");
  m.remove("blk.4.nextn.embed_tokens.weight").add_copy("blk.4.nextn.shared_head_head.weight", "blk.4.ffn_down.weight");
  expect_broken_head(m, "m.gguf: blk.4.nextn.shared_head_head.weight: expected [256, 2048], file has [512, 256]");
}

TEST(Binding, UnsupportedTypes) {
  const TestModel whole(kModel);
  const auto with_type = [&](const char* name, DType type) {
    TestModel m = whole;
    m.tensor(name).type = type;
    m.tensor(name).resize();
    return m;
  };
  expect_broken_trunk(with_type("blk.1.ffn_up.weight", DType::kQ1_0),
                      "m.gguf: blk.1.ffn_up.weight: expected a type that nextn computes with, found Q1_0",
                      ErrorCode::kUnsupported);
  expect_broken_trunk(with_type("output_norm.weight", DType::kI32),
                      "m.gguf: output_norm.weight: expected a type that nextn computes with, found I32",
                      ErrorCode::kUnsupported);
  expect_broken_trunk(with_type("token_embd.weight", DType::kQ2_0),
                      "m.gguf: token_embd.weight: expected a type that nextn computes with, found Q2_0",
                      ErrorCode::kUnsupported);
  TestModel scaled = whole;
  expect_broken_trunk(scaled.add_copy("blk.0.ffn_up.scale", "blk.0.attn_norm.weight"),
                      "m.gguf: blk.0.ffn_up.scale: expected [1], file has [256]");
  EXPECT_EQ(inspect_head(gguf::File::from_memory(kName, with_type("blk.4.attn_k.weight", DType::kQ8_K).bytes())).reason,
            "m.gguf: blk.4.attn_k.weight: expected a type that nextn computes with, found Q8_K");
}

TEST(Binding, HeadNormFallsBackToTheOutputNorm) {
  const std::vector<int32_t> tokens = random_tokens(8, 16);
  TestModel m(kModel);
  const Dump own = dump(m, tokens);
  m.tensor("blk.4.nextn.shared_head_norm.weight").data = m.tensor("output_norm.weight").data;
  const Dump same = dump(m, tokens);
  EXPECT_FALSE(own.mtp_hidden == same.mtp_hidden);
  expect_same(dump(m.remove("blk.4.nextn.shared_head_norm.weight"), tokens), same);
}

TEST(Binding, HeadTablesFallBackToTheTrunks) {
  const std::vector<int32_t> tokens = random_tokens(9, 16);
  TestModel m(kModel);
  const Dump shared = dump(m, tokens);
  m.add_copy("blk.4.nextn.embed_tokens.weight", "token_embd.weight");
  expect_same(dump(m, tokens), shared);
  m.add_copy("blk.4.nextn.shared_head_head.weight", "output.weight");
  expect_same(dump(m, tokens), shared);

  // They are the head's alone: others change its rows and not the trunk's.
  m.tensor("blk.4.nextn.embed_tokens.weight").data = m.tensor("output.weight").data;
  const Dump other_table = dump(m, tokens);
  EXPECT_TRUE(other_table.logits == shared.logits);
  EXPECT_FALSE(other_table.mtp_hidden == shared.mtp_hidden);
  m.tensor("blk.4.nextn.embed_tokens.weight").data = m.tensor("token_embd.weight").data;
  m.tensor("blk.4.nextn.shared_head_head.weight").data = m.tensor("token_embd.weight").data;
  const Dump other_head = dump(m, tokens);
  EXPECT_TRUE(other_head.logits == shared.logits);
  EXPECT_TRUE(other_head.mtp_hidden == shared.mtp_hidden);
  EXPECT_FALSE(other_head.mtp_logits == shared.mtp_logits);
}

TEST(Binding, FileWithoutHead) {
  EngineOptions o = open_options("tiny-no-head");
  EXPECT_EQ(inspect_head(gguf::File::open(o.model_path)).kind, HeadVerdict::Kind::kAbsent);
  Engine engine(o);
  EXPECT_FALSE(engine.model().info().has_head);
  EXPECT_EQ(engine.model().info().n_layers, 4);
  const Dump d = dump(engine, random_tokens(10, 5));
  EXPECT_FALSE(d.logits.empty());
  EXPECT_TRUE(d.mtp_logits.empty());
  o.spec = SpecType::kMtp;
  expect_error([&] { Engine with_head(o); }, ErrorCode::kUsage,
               o.model_path + ": --spec-type mtp: expected an MTP head, the file has none");
}

// The trunk computes the same whether the head is there, is not loaded or is cut off.
TEST(Binding, HeadLeavesTheTrunkAlone) {
  const std::vector<int32_t> tokens = random_tokens(11, 12);
  TestModel m(kModel);
  const Dump with = dump(m, tokens);
  EngineOptions o = open_options(kModel);
  o.spec = SpecType::kNone;
  const Dump unloaded = dump(o, tokens);
  std::erase_if(m.tensors, [](const TestTensor& t) { return is_head(t.name); });
  m.set("qwen35.block_count", uint32_t{4}).remove_key("qwen35.nextn_predict_layers");
  const Dump cut = dump(m, tokens);
  EXPECT_TRUE(with.logits == unloaded.logits && with.hidden == unloaded.hidden);
  expect_same(unloaded, cut);
}

TEST(Binding, HeadWithoutTrunk) {
  TestModel m(kModel);
  std::erase_if(m.tensors, [](const TestTensor& t) { return t.name.starts_with("blk.") && !is_head(t.name); });
  expect_broken_trunk(m, "m.gguf: expected a model, found an MTP head (blk.4) without its trunk");
  EXPECT_EQ(inspect_head(gguf::File::from_memory(kName, m.bytes())).kind, HeadVerdict::Kind::kUsable);
}

TEST(Binding, TokenizerOfAnotherSize) {
  TestModel m(kModel);
  const gguf::File file = gguf::File::open(model_path(kModel));
  std::vector<std::string_view> tokens = file.strings("tokenizer.ggml.tokens");
  std::vector<int32_t> types = file.i32s("tokenizer.ggml.token_type");
  tokens.resize(2040);
  types.resize(2040);
  m.set_array("tokenizer.ggml.tokens", tokens).set_array("tokenizer.ggml.token_type", types);
  m.set("tokenizer.ggml.eos_token_id", uint32_t{7}).set("tokenizer.ggml.padding_token_id", uint32_t{7});
  expect_broken_trunk(m, "m.gguf: token_embd.weight: expected [256, 2040], file has [256, 2048]");
}

// ------------------------------------------------------------------------------------------------ keys

TEST(Keys, EachRequiredOneMissing) {
  const std::pair<const char*, const char*> kRequired[] = {
      {"general.architecture", "string"},
      {"qwen35.block_count", "u32"},
      {"qwen35.context_length", "u32"},
      {"qwen35.embedding_length", "u32"},
      {"qwen35.feed_forward_length", "u32"},
      {"qwen35.attention.head_count", "u32"},
      {"qwen35.attention.layer_norm_rms_epsilon", "f32"},
      {"qwen35.rope.dimension_sections", "i32 or array of i32"},
      {"qwen35.ssm.conv_kernel", "u32"},
      {"qwen35.ssm.state_size", "u32"},
      {"qwen35.ssm.group_count", "u32"},
      {"qwen35.ssm.time_step_rank", "u32"},
      {"qwen35.ssm.inner_size", "u32"},
      {"tokenizer.ggml.model", "string"},
      {"tokenizer.ggml.tokens", "array of string"},
  };
  for (const auto& [key, type] : kRequired) {
    TestModel m(kModel);
    expect_broken_trunk(m.remove_key(key), fmt::format("m.gguf: {}: expected {}, found no such key", key, type));
  }
}

// A test of one key: the file with it set to `value` throws this. Sizes are kept in the file, so that only the key is
// wrong.
template <class T>
void expect_key_error(const char* key, T value, const std::string& message, ErrorCode code = ErrorCode::kFile) {
  TestModel m(kModel);
  const std::string full = std::string("qwen35.") + key;
  expect_broken_trunk(m.set(full, value), "m.gguf: " + full + ": " + message, code);
}

TEST(Keys, WrongTypes) {
  expect_key_error("block_count", int32_t{5}, "expected u32, found i32");
  expect_key_error("embedding_length", uint64_t{256}, "expected u32, found u64");
  expect_key_error("attention.head_count", "2", "expected u32, found string");
  expect_key_error("attention.layer_norm_rms_epsilon", 1e-6, "expected f32, found f64");
  expect_key_error("rope.freq_base", uint32_t{10000}, "expected f32, found u32");
  expect_key_error("ssm.state_size", 64.0f, "expected u32, found f32");
  expect_key_error("nextn_predict_layers", true, "expected u32, found bool");
  TestModel m("tiny-loud-q4_k_m");
  expect_broken_trunk(m.set("general.architecture", uint32_t{1}),
                      "m.gguf: general.architecture: expected string, found u32");
}

TEST(Keys, OutOfRange) {
  expect_key_error("block_count", uint32_t{0}, "expected 1 to 512, found 0");
  expect_key_error("block_count", uint32_t{513}, "expected 1 to 512, found 513");
  expect_key_error("context_length", uint32_t{0}, "expected 1 to 1073741824, found 0");
  expect_key_error("embedding_length", uint32_t{0}, "expected 32 to 131072, found 0");
  expect_key_error("feed_forward_length", uint32_t{0}, "expected 32 to 1048576, found 0");
  expect_key_error("full_attention_interval", uint32_t{0}, "expected 1 to 512, found 0");
  expect_key_error("attention.layer_norm_rms_epsilon", -1.0f, "expected 0 to 1, found -1");
  expect_key_error("attention.layer_norm_rms_epsilon", NAN, "expected 0 to 1, found nan");
  expect_key_error("attention.head_count", uint32_t{0}, "expected 1 to 1024, found 0");
  expect_key_error("attention.head_count_kv", uint32_t{0}, "expected 1 to 1024, found 0");
  expect_key_error("attention.head_count_kv", uint32_t{4}, "expected a divisor of head_count (2), found 4");
  expect_key_error("attention.head_count_kv", uint32_t{1025}, "expected 1 to 1024, found 1025");
  expect_key_error("attention.key_length", uint32_t{100}, "expected a multiple of 32, found 100",
                   ErrorCode::kUnsupported);
  expect_key_error("attention.value_length", uint32_t{64}, "expected key_length (128), found 64",
                   ErrorCode::kUnsupported);
  expect_key_error("rope.dimension_count", uint32_t{31}, "expected an even number, found 31");
  expect_key_error("rope.dimension_count", uint32_t{256}, "expected 2 to 128, found 256");
  expect_key_error("rope.freq_base", 0.0f, "expected a number of at least 1, found 0");
  expect_key_error("rope.scaling.type", "yarn", "expected none or linear, found yarn", ErrorCode::kUnsupported);
  expect_key_error("ssm.conv_kernel", uint32_t{9}, "expected 1 to 8, found 9");
  expect_key_error("ssm.inner_size", uint32_t{255}, "expected time_step_rank * state_size (256), found 255");
}

// What one key says of another.
TEST(Keys, Contradictions) {
  const auto with = [](const char* key, uint32_t value) { return TestModel(kModel).set(key, value); };
  expect_broken_trunk(with("qwen35.block_count", 1),
                      "m.gguf: qwen35.nextn_predict_layers: expected fewer than block_count (1), found 1");
  expect_broken_trunk(with("qwen35.attention.head_count", 64),
                      "m.gguf: qwen35.attention.head_count_kv: expected at most 32 query heads for each, found 64",
                      ErrorCode::kUnsupported);
  expect_broken_trunk(with("qwen35.ssm.group_count", 3),
                      "m.gguf: qwen35.ssm.time_step_rank: expected a multiple of group_count (3), found 4");

  // More heads than the tensors have: the head's are the first to be looked at.
  const Bytes bytes = TestModel(kModel).remove_key("qwen35.attention.head_count_kv").bytes();  // as head_count, then
  const char* const kMessage = "m.gguf: blk.{}.attn_k.weight: expected [256, 256], file has [256, 128]";
  expect_error([&] { load(bytes, SpecType::kMtp); }, ErrorCode::kFile, fmt::format(fmt::runtime(kMessage), 4));
  expect_error([&] { load(bytes, SpecType::kAuto); }, ErrorCode::kFile, fmt::format(fmt::runtime(kMessage), 3));
}

TEST(Keys, Heads) {
  expect_key_error("nextn_predict_layers", uint32_t{5}, "expected fewer than block_count (5), found 5");
  expect_key_error("nextn_predict_layers", uint32_t{2}, "expected 0 or 1, found 2", ErrorCode::kUnsupported);
}

TEST(Keys, StateSizeWithoutKernel) {
  TestModel m(kModel);
  m.set("qwen35.ssm.state_size", uint32_t{40}).set("qwen35.ssm.inner_size", uint32_t{160});
  expect_broken_trunk(m, "m.gguf: qwen35.ssm.state_size: expected 16, 32, 48, 64, 96, 128, 192 or 256, found 40",
                      ErrorCode::kUnsupported);
}

TEST(Keys, Arrays) {
  TestModel m(kModel);
  m.set_array("qwen35.rope.dimension_sections", std::vector<int32_t>{5, 5, 6});
  expect_broken_trunk(m, "m.gguf: qwen35.rope.dimension_sections: expected 4 elements, found 3");
  m.set_array("qwen35.rope.dimension_sections", std::vector<int32_t>{5, 5, -6, 0});
  expect_broken_trunk(m, "m.gguf: qwen35.rope.dimension_sections: expected no negative section, found -6");
}

TEST(Keys, ArchitectureNotKnown) {
  TestModel m(kModel);
  expect_broken_trunk(m.set("general.architecture", "mamba"),
                      "m.gguf: general.architecture: expected one of qwen35, qwen35moe, qwen3next, glm4moe, qwen3, "
                      "qwen2, llama, found mamba",
                      ErrorCode::kUnsupported);
}

// The layer kinds said one by one, and by default, are those of the interval.
TEST(Keys, LayerKinds) {
  const std::vector<int32_t> tokens = random_tokens(12, 8);
  TestModel m(kModel);
  const Dump interval = dump(m, tokens);
  expect_same(dump(m.remove_key("qwen35.full_attention_interval"), tokens), interval);
  m.set_array("qwen35.attention.recurrent_layers", std::vector<bool>{true, true, true, false, false});
  expect_same(dump(m, tokens), interval);
  m.set_array("qwen35.attention.recurrent_layers", std::vector<bool>{true, true, false, false, false});
  expect_broken_trunk(m, "m.gguf: blk.2.attn_q.weight: expected [256, 512], the file has no such tensor");
}

// ------------------------------------------------------------------------------------------------ experts

constexpr const char *kMoe = "tiny-moe-loud-q4_k_m", *kGlm = "tiny-glm45-loud-q8_0";

// Gate and up of each expert in one tensor: gate's rows, then up's.
TEST(Experts, GateAndUpInOneTensor) {
  const std::vector<int32_t> tokens = random_tokens(13, 12);
  TestModel m(kMoe);
  const Dump separate = dump(m, tokens);
  for (int block = 0; block <= 4; block++) {
    const std::string b = fmt::format("blk.{}.", block);
    TestTensor gate = m.tensor(b + "ffn_gate_exps.weight"), up = m.tensor(b + "ffn_up_exps.weight");
    const size_t n = gate.data->size() / 16;
    Bytes both;
    for (size_t e = 0; e < 16; e++) {
      for (const TestTensor* t : {&gate, &up}) {
        both.insert(both.end(), t->data->begin() + static_cast<std::ptrdiff_t>(e * n),
                    t->data->begin() + static_cast<std::ptrdiff_t>((e + 1) * n));
      }
    }
    m.remove(gate.name).remove(up.name);
    gate.name = b + "ffn_gate_up_exps.weight";
    gate.shape[1] *= 2;
    gate.data = std::make_shared<const Bytes>(std::move(both));
    m.tensors.push_back(gate);
  }
  expect_same(dump(m, tokens), separate);
  m.tensor("blk.1.ffn_gate_up_exps.weight").shape = {256, 512, 15};
  m.tensor("blk.1.ffn_gate_up_exps.weight").resize();
  expect_broken_trunk(m, "m.gguf: blk.1.ffn_gate_up_exps.weight: expected [256, 512, 16], file has [256, 512, 15]");
}

// Biases, norms of queries and keys, and the shared expert are there together or not at all, and count when they are.
TEST(Experts, PartsThatGlmMayHave) {
  const std::vector<int32_t> tokens = random_tokens(14, 12);
  TestModel m(kGlm);
  Dump before = dump(m, tokens);
  const auto remove_all = [&](std::initializer_list<const char*> parts) {
    std::erase_if(m.tensors, [&](const TestTensor& t) {
      return std::ranges::any_of(parts, [&](const char* part) { return t.name.find(part) != std::string::npos; });
    });
    const Dump after = dump(m, tokens);
    EXPECT_FALSE(after.logits == before.logits);
    EXPECT_FALSE(after.mtp_logits == before.mtp_logits);
    before = after;
  };
  remove_all({"attn_q.bias", "attn_k.bias", "attn_v.bias"});
  remove_all({"attn_q_norm", "attn_k_norm"});
  m.set("glm4moe.expert_shared_count", uint32_t{0});
  remove_all({"shexp"});
}

TEST(Experts, KeysChangeTheRouting) {
  const std::vector<int32_t> tokens = random_tokens(15, 12);
  const TestModel whole(kGlm);
  const Dump before = dump(whole, tokens);
  const auto with = [&](const char* key, auto value) {
    TestModel m = whole;
    return dump(m.set(key, value), tokens);
  };
  EXPECT_TRUE(with("glm4moe.expert_gating_func", uint32_t{0}) == before) << "the sigmoid, as before the key";
  EXPECT_FALSE(with("glm4moe.expert_gating_func", uint32_t{1}).logits == before.logits);
  EXPECT_FALSE(with("glm4moe.expert_gating_func", uint32_t{3}).logits == before.logits);
  EXPECT_FALSE(with("glm4moe.expert_weights_norm", false).logits == before.logits);
  EXPECT_FALSE(with("glm4moe.expert_weights_scale", 1.0f).logits == before.logits);
  EXPECT_TRUE(with("glm4moe.expert_weights_scale", 0.0f) == with("glm4moe.expert_weights_scale", 1.0f));
  EXPECT_TRUE(with("glm4moe.expert_group_count", uint32_t{1}) == before);

  // What a qwen35moe file may leave to feed_forward_length.
  TestModel m(kMoe);
  const Dump said = dump(m, tokens);
  m.remove_key("qwen35moe.expert_feed_forward_length").set("qwen35moe.feed_forward_length", uint32_t{4 * 256});
  expect_same(dump(m, tokens), said);
  m.remove_key("qwen35moe.expert_shared_feed_forward_length");
  const Bytes bytes = m.bytes();
  expect_error([&] { load(bytes, SpecType::kNone); }, ErrorCode::kFile,
               "m.gguf: blk.0.ffn_gate_shexp.weight: expected [256, 1024], file has [256, 256]");
}

TEST(Experts, KeysThatAreWrong) {
  const auto expect = [](const char* model, const char* key, auto value, const std::string& message,
                         ErrorCode code = ErrorCode::kFile) {
    TestModel m(model);
    expect_broken_trunk(m.set(key, value), fmt::format("m.gguf: {}: {}", key, message), code);
  };
  for (const char* model : {kMoe, kGlm}) {
    const std::string a = model == kMoe ? "qwen35moe." : "glm4moe.";
    for (const char* key : {"expert_count", "expert_used_count"}) {
      TestModel m(model);
      expect_broken_trunk(m.remove_key(a + key), fmt::format("m.gguf: {}{}: expected u32, found no such key", a, key));
    }
    expect(model, (a + "expert_count").c_str(), uint32_t{0}, "expected 1 to 1024, found 0");
    expect(model, (a + "expert_count").c_str(), uint32_t{1025}, "expected 1 to 1024, found 1025");
    expect(model, (a + "expert_used_count").c_str(), uint32_t{17}, "expected 1 to 16, found 17");
    expect(model, (a + "expert_group_count").c_str(), uint32_t{2},
           "expected 0 or 1 (experts that are chosen one by one), found 2", ErrorCode::kUnsupported);
  }
  TestModel m(kGlm);
  expect_broken_trunk(m.remove_key("glm4moe.expert_feed_forward_length"),
                      "m.gguf: glm4moe.expert_feed_forward_length: expected u32, found no such key");
  expect(kGlm, "glm4moe.expert_gating_func", uint32_t{4},
         "expected 1 (softmax), 2 (sigmoid) or 3 (softmax of the chosen), found 4", ErrorCode::kUnsupported);
  expect(kGlm, "glm4moe.expert_weights_scale", NAN, "expected a number, found nan");
  expect(kGlm, "glm4moe.leading_dense_block_count", uint32_t{5}, "expected 0 to 4, found 5");
}

// Tables of the head's own that are the trunk's are held once, and compute the same.
TEST(Experts, EqualTablesAreHeldOnce) {
  const std::vector<int32_t> tokens = random_tokens(16, 12);
  TestModel m(kGlm);
  const Dump own = dump(m, tokens);
  const auto bytes_of = [](const TestModel& model, bool in_file) {
    const Bytes bytes = model.bytes();
    Engine engine(memory_options(bytes));
    const WeightLoader& weights = engine.model().weights();
    return (in_file ? weights.file_bytes() : weights.loaded_bytes())[static_cast<size_t>(WeightRole::kMtpHead)];
  };
  const uint64_t loaded = bytes_of(m, false);
  const size_t table = m.tensor("output.weight").data->size();
  EXPECT_EQ(bytes_of(m, true), table) << "the embedding table stays in the file";

  m.tensor("blk.4.nextn.embed_tokens.weight").data = m.tensor("token_embd.weight").data;
  m.tensor("blk.4.nextn.shared_head_head.weight").data = m.tensor("output.weight").data;
  const Dump equal = dump(m, tokens);
  EXPECT_EQ(bytes_of(m, false), loaded - table);
  EXPECT_EQ(bytes_of(m, true), 0u);
  EXPECT_TRUE(equal.logits == own.logits);
  EXPECT_FALSE(equal.mtp_logits == own.mtp_logits);
  Bytes almost = *m.tensor("output.weight").data;
  almost.back() ^= 1;
  TestModel last_bit = m;
  last_bit.tensor("blk.4.nextn.shared_head_head.weight").data = std::make_shared<const Bytes>(std::move(almost));
  EXPECT_EQ(bytes_of(last_bit, false), loaded);
  m.remove("blk.4.nextn.embed_tokens.weight").remove("blk.4.nextn.shared_head_head.weight");
  expect_same(dump(m, tokens), equal);
}

TEST(Experts, LegacyFilesOfQwen3NextAreRefused) {
  TestModel m("tiny-next-mixed-q8_0");
  m.add_copy("blk.0.ssm_in.weight", "blk.0.attn_qkv.weight");
  expect_broken_trunk(m, "m.gguf: blk.0.ssm_in.weight: expected attn_qkv and attn_gate, found them in one tensor",
                      ErrorCode::kUnsupported);
}

// ------------------------------------------------------------------------------------------------ dense decoders

constexpr const char* kLlama = "tiny-llama-mixed-q4_k_m";

TestTensor vector_of(const std::string& name, int64_t n, float value) {
  Bytes bytes(static_cast<size_t>(n) * sizeof value);
  for (int64_t i = 0; i < n; i++) std::memcpy(&bytes[static_cast<size_t>(i) * sizeof value], &value, sizeof value);
  return {name, {n}, DType::kF32, std::make_shared<const Bytes>(std::move(bytes))};
}

TEST(Dense, PartsThatLlamaMayHave) {
  const std::vector<int32_t> tokens = random_tokens(17, 12);
  const TestModel whole(kLlama);
  const Dump before = dump(whole, tokens);
  const auto with = [&](std::initializer_list<TestTensor> added) {
    TestModel m = whole;
    m.tensors.insert(m.tensors.end(), added);
    return m;
  };
  struct Part {
    std::string name;
    int64_t n;
    float neutral;
  };
  for (const auto& [name, n, neutral] :
       {Part{"rope_freqs.weight", 32, 1}, Part{"blk.1.attn_output.bias", 256, 0}, Part{"blk.1.ffn_gate.bias", 512, 0},
        Part{"blk.1.ffn_up.bias", 512, 0}, Part{"blk.1.ffn_down.bias", 256, 0}}) {
    SCOPED_TRACE(name);
    EXPECT_TRUE(dump(with({vector_of(name, n, neutral)}), tokens) == before);
    EXPECT_FALSE(dump(with({vector_of(name, n, 2)}), tokens).logits == before.logits);
    const char* const type = name == "rope_freqs.weight" ? " of type F32" : "";
    expect_broken_trunk(with({vector_of(name, n + 1, 2)}),
                        fmt::format("m.gguf: {}: expected [{}]{}, file has [{}]{}", name, n, type, n + 1, type));
  }
  const TestTensor q = vector_of("blk.1.attn_q.bias", 256, 2), k = vector_of("blk.1.attn_k.bias", 64, 2),
                   v = vector_of("blk.1.attn_v.bias", 64, 2);
  EXPECT_FALSE(dump(with({q, k, v}), tokens).logits == before.logits);
  expect_broken_trunk(with({q, v}), "m.gguf: blk.1.attn_k.bias: expected [64], the file has no such tensor");
}

TEST(Dense, RopeScaling) {
  const std::vector<int32_t> tokens = random_tokens(18, 12);
  TestModel by_key(kLlama), by_old_key(kLlama), by_table(kLlama);
  by_key.set("llama.rope.scaling.factor", 4.0f);
  by_old_key.set("llama.rope.scale_linear", 4.0f);
  by_table.tensors.push_back(vector_of("rope_freqs.weight", 32, 4));
  const Dump slower = dump(by_key, tokens);
  EXPECT_FALSE(slower.logits == dump(TestModel(kLlama), tokens).logits);
  expect_same(dump(by_old_key, tokens), slower);
  expect_same(dump(by_table, tokens), slower);
  by_old_key.set("llama.rope.scaling.factor", 1.0f);
  expect_same(dump(by_old_key, tokens), dump(TestModel(kLlama), tokens));
}

TEST(Dense, WhatIsRefused) {
  const TestModel whole(kLlama);
  TestModel m = whole;
  expect_broken_trunk(m.set("llama.expert_count", uint32_t{8}),
                      "m.gguf: llama.expert_count: expected 0 (a dense model), found 8", ErrorCode::kUnsupported);
  m = whole;
  expect_broken_trunk(m.set("llama.rope.scaling.type", "yarn"),
                      "m.gguf: llama.rope.scaling.type: expected none or linear, found yarn", ErrorCode::kUnsupported);
  m = whole;
  m.tensors.push_back(vector_of("rope_factors_long.weight", 32, 1));
  expect_broken_trunk(m,
                      "m.gguf: rope_factors_long.weight: expected none (rope that scales with the context is not read)",
                      ErrorCode::kUnsupported);
  m = whole;
  m.tensors.push_back(vector_of("rope_freqs.weight", 32, 0));
  expect_broken_trunk(m, "m.gguf: rope_freqs.weight: expected numbers above 0, found 0");
}

}  // namespace
}  // namespace nextn
