// The engine against tests/golden, and against itself: what a prompt computes does not depend on how many rows go
// at once, on the instruction set or on the number of threads.
#include <array>
#include <cmath>
#include <cstdio>

#include "base/cpu_features.h"
#include "tiny_model.h"

namespace nextn {
namespace {

struct GoldenModel {
  const char* folder;  // of tests/golden
  const char* model;
  const char* sha256;
  double f16_bound;
  size_t n_flipped;  // rows of the head that 8-bit keys and values send to other experts

  friend std::ostream& operator<<(std::ostream& out, const GoldenModel& g) { return out << g.model; }
};

constexpr GoldenModel kGolden[] = {
    {"tiny", "tiny-loud-f32", "aa2616a91d4107a4b82c29eccf5733b09c396fdc1db8add2f5658ccfb35152ea", 1e-3, 0},
    {"tiny-moe", "tiny-moe-loud-f32", "d98c80c3cc7bffcf9fa3c3c1f5c98ea5b4e4f42aeadd305899d2621053ddc83e", 1e-3, 1},
    {"tiny-glm45", "tiny-glm45-loud-f32", "60fad3a7d4182e09b5000f247d134b5a3b6d62cf7adefd3592bbaa6a351ed92c", 2e-3, 0},
    {"tiny-glm46", "tiny-glm46-loud-f32", "b137d1ec0a7adb7550e8c02572934edcf44302fbc071598ccec41c084a4d4701", 2e-3, 1},
};

std::string sha256(const std::string& path) {
  const std::string command = "sha256sum '" + path + "'";
  std::FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "";
  std::array<char, 65> sum{};
  const size_t n = std::fread(sum.data(), 1, 64, pipe);
  pclose(pipe);
  return n == 64 ? sum.data() : "";
}

std::vector<int32_t> parse_tokens(const std::string& text) {
  std::vector<int32_t> tokens;
  for (size_t at = 0; at < text.size();
       at = text.find(',', at) == std::string::npos ? text.size() : text.find(',', at) + 1)
    tokens.push_back(std::stoi(text.substr(at)));
  return tokens;
}

// The largest difference in standard deviations of the golden array, whose n_left_out worst rows are left out.
double deviation(const std::string& file, const std::string& golden, size_t n_rows = 1, size_t n_left_out = 0) {
  const std::vector<float> a = npy_values(file), b = npy_values(golden);
  EXPECT_EQ(a.size(), b.size());
  if (a.size() != b.size()) return INFINITY;
  double sum = 0, squares = 0;
  std::vector<double> worst(n_rows);  // of each row
  for (size_t i = 0; i < a.size(); i++) {
    sum += b[i];
    squares += double{b[i]} * b[i];
    const double d = std::abs(double{a[i]} - b[i]);
    double& w = worst[i * n_rows / a.size()];
    if (!(d <= w)) w = std::isnan(d) ? INFINITY : d;
  }
  std::ranges::sort(worst);
  const double n = static_cast<double>(b.size());
  return worst[n_rows - 1 - n_left_out] / std::sqrt(squares / n - sum / n * (sum / n));
}

std::string golden_path(const std::string& folder, const std::string& name) {
  return std::string(NEXTN_SOURCE_DIR) + "/tests/golden/" + folder + "/" + name;
}

class Golden : public testing::TestWithParam<GoldenModel> {
 protected:
  void SetUp() override {
    const GoldenModel& g = GetParam();
    if (const std::string sum = sha256(model_path(g.model)); sum != g.sha256) {
      GTEST_SKIP() << g.model << ".gguf: expected sha256 " << g.sha256 << ", found " << sum
                   << ": made by another numpy or generator, the golden vectors say nothing about it";
    }
  }

  static std::string golden_file(const std::string& name) { return read_file(golden_path(GetParam().folder, name)); }

  // n_flipped: rows of the head that may be off by more.
  static void check(KvType kv, double bound, size_t n_flipped = 0) {
    EngineOptions o = open_options(GetParam().model);
    o.k_type = o.v_type = o.head_k_type = o.head_v_type = kv;
    const std::vector<int32_t> tokens = parse_tokens(golden_file("tokens.txt"));
    const Dump d = dump(o, tokens);
    const size_t n = tokens.size();
    const double worst[] = {deviation(d.logits, golden_file("logits.npy")),
                            deviation(d.hidden, golden_file("hidden.npy")),
                            deviation(d.mtp_logits, golden_file("mtp_logits.npy"), n, n_flipped),
                            deviation(d.mtp_hidden, golden_file("mtp_hidden.npy"), n, n_flipped)};
    std::printf("%s, KV %s: logits %.2g, hidden %.2g, mtp_logits %.2g, mtp_hidden %.2g standard deviations\n",
                GetParam().folder, kv_type_name(kv), worst[0], worst[1], worst[2], worst[3]);
    for (const double w : worst) EXPECT_LE(w, bound);
    EXPECT_EQ(d.draft, golden_file("draft.txt"));
  }
};

TEST_P(Golden, KvF32) {
  check(KvType::kF32, 1e-5);
}

TEST_P(Golden, KvF16) {
  check(KvType::kF16, GetParam().f16_bound);
}

// Eight bits are few enough to send a row to another expert, which changes all of that row: one of 24 rows of the head
// of tiny-moe (0.17) and of tiny-glm46 (1.0), none of a trunk.
TEST_P(Golden, KvQ8_0) {
  check(KvType::kQ8_0, 0.05, GetParam().n_flipped);
}

std::string golden_name(const testing::TestParamInfo<GoldenModel>& info) {
  std::string name = info.param.folder;
  std::erase(name, '-');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Tiny, Golden, testing::ValuesIn(kGolden), golden_name);

// Models without their head, if they have one, and what Hugging Face transformers computes with the same weights.
class GoldenOfTransformers : public testing::TestWithParam<const char*> {};

TEST_P(GoldenOfTransformers, Kv) {
  const std::string folder = GetParam();
  const std::vector<int32_t> tokens = parse_tokens(read_file(golden_path(folder, "tokens.txt")));
  for (const auto& [kv, bound] : {std::pair{KvType::kF32, 1e-5}, std::pair{KvType::kF16, 2e-3}}) {
    EngineOptions o = small_options();
    o.model_path = golden_path(folder, "model.gguf");
    o.k_type = o.v_type = kv;
    const Dump d = dump(o, tokens);
    const double logits = deviation(d.logits, read_file(golden_path(folder, "logits.npy")));
    const double hidden = deviation(d.hidden, read_file(golden_path(folder, "hidden.npy")));
    std::printf("%s, KV %s: logits %.2g, hidden %.2g standard deviations\n", folder.c_str(), kv_type_name(kv), logits,
                hidden);
    EXPECT_LE(logits, bound);
    EXPECT_LE(hidden, bound);
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, GoldenOfTransformers,
                         testing::Values("qwen3", "qwen2", "llama", "llama-biases", "qwen3next"), [](const auto& info) {
                           std::string name = info.param;
                           std::erase(name, '-');
                           return name;
                         });

constexpr const char* kModels[] = {"tiny-loud-f32",         "tiny-loud-f16",          "tiny-loud-q8_0",
                                   "tiny-loud-q4_k_m",      "tiny-tied-q4_k_m",       "tiny-moe-loud-q4_k_m",
                                   "tiny-glm45-loud-q8_0",  "tiny-glm46-loud-f32",    "tiny-next-mixed-q8_0",
                                   "tiny-qwen3-mixed-q8_0", "tiny-qwen2-loud-q4_k_m", "tiny-llama-mixed-q4_k_m"};

TEST(SameBytes, AnyNumberOfRowsAtOnce) {
  const std::vector<int32_t> tokens = random_tokens(1, 40);
  for (const char* model : kModels) {
    SCOPED_TRACE(model);
    EngineOptions o = open_options(model);
    const Dump whole = dump(o, tokens);
    for (const int rows : {1, 7}) {
      SCOPED_TRACE(rows);
      o.row_limit = rows;
      expect_same(dump(o, tokens), whole);
    }
    o.max_draft = 0;  // fewer rows of logits at once
    expect_same(dump(o, tokens), whole);
  }
}

TEST(SameBytes, AnyInstructionSet) {
  const std::vector<int32_t> tokens = random_tokens(2, 40);
  for (const char* model : kModels) {
    for (const KvType kv : {KvType::kF16, KvType::kF32, KvType::kQ8_0}) {
      SCOPED_TRACE(std::string(model) + ", KV " + kv_type_name(kv));
      EngineOptions o = open_options(model);
      o.k_type = o.v_type = o.head_k_type = o.head_v_type = kv;
      o.isa = "scalar";
      const Dump scalar = dump(o, tokens);
      if (cpu_features().avx2) {
        o.isa = "avx2";
        expect_same(dump(o, tokens), scalar);
      }
      if (cpu_features().avx512) {
        o.isa = "avx512";
        expect_same(dump(o, tokens), scalar);
      }
      if (cpu_features().avx512_vbmi) {
        o.isa = "avx512_vbmi";
        expect_same(dump(o, tokens), scalar);
      }
      if (cpu_features().amx) {
        o.isa = "amx";
        expect_same(dump(o, tokens), scalar);
      }
    }
  }
}

TEST(SameBytes, AnyNumberOfThreads) {
  const std::vector<int32_t> tokens = random_tokens(3, 20);
  for (const char* model : kModels) {
    SCOPED_TRACE(model);
    EngineOptions o = open_options(model);
    const Dump one = dump(o, tokens);
    for (const int n : {2, 3}) {
      o.n_threads = n;
      expect_same(dump(o, tokens), one);
    }
  }
}

}  // namespace
}  // namespace nextn
