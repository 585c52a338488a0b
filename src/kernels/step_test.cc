// The kernels of a step that are not matmuls: every instruction set against the scalar twin bit by bit, and the scalar
// twin against plain loops in double precision.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/fp16.h"
#include "kernels/kernels.h"
#include "kernels/scalar/exp.h"
#include "kernels/tables_of_test.h"
#include "quant/decode.h"

namespace nextn {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kUntouched = -12345.0f;

enum class Fill { kUsual, kZero, kDenormal, kLarge, kMixed, kNan };
const Fill kFills[] = {Fill::kUsual, Fill::kZero, Fill::kDenormal, Fill::kLarge, Fill::kMixed, Fill::kNan};

float random_value(std::mt19937& random, Fill fill = Fill::kUsual) {
  const float x = std::normal_distribution<float>(0, 1)(random);
  switch (fill) {
    case Fill::kUsual:
      return x;
    case Fill::kZero:
      return random() % 2 ? 0.0f : -0.0f;
    case Fill::kDenormal:
      return x * 1e-39f;
    case Fill::kLarge:
      return x * 1e30f;
    case Fill::kMixed:
      return std::ldexp(x, static_cast<int>(random() % 240) - 120);
    case Fill::kNan:
      return random() % 8 == 0 ? (random() % 2 ? kNan : x > 0 ? kInfinity : -kInfinity) : 50 * x;
  }
  return 0;
}

// n floats, one float past any alignment, with guards around them.
class Floats {
 public:
  explicit Floats(size_t n, float value = 0) : n_(n), all_(n + 1 + kGuard, kUntouched) {
    std::fill_n(data(), n, value);
  }
  Floats(size_t n, std::mt19937& random, Fill fill = Fill::kUsual) : Floats(n) {
    for (size_t i = 0; i < n; i++) data()[i] = random_value(random, fill);
  }

  size_t size() const { return n_; }
  float* data() { return all_.data() + 1; }
  const float* data() const { return all_.data() + 1; }
  float& operator[](size_t i) { return data()[i]; }
  float operator[](size_t i) const { return data()[i]; }
  bool guarded() const {
    return all_[0] == kUntouched && std::count(all_.end() - kGuard, all_.end(), kUntouched) == kGuard;
  }

 private:
  static constexpr int kGuard = 20;
  size_t n_;
  std::vector<float> all_;
};

// Bit for bit, but for the payload of a NaN; and nothing written outside.
::testing::AssertionResult same_bits(const Floats& a, const Floats& b) {
  if (!a.guarded() || !b.guarded()) return ::testing::AssertionFailure() << "written outside";
  for (size_t i = 0; i < a.size(); i++) {
    if (bits_of_float(a[i]) == bits_of_float(b[i]) || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    return ::testing::AssertionFailure() << "first difference at " << i << ": " << a[i] << " and " << b[i];
  }
  return ::testing::AssertionSuccess();
}

// ------------------------------------------------------------------------------------------------ element by element

// y holds random values when `run` is called, and what it holds then is compared.
struct Kernel {
  const char* name;
  void (*run)(const KernelTable& t, float* y, const float* a, const float* b, const float* c, int n);
};
const Kernel kKernels[] = {
    {"rms_norm", [](auto& t, auto* y, auto* a, auto* b, auto*, int n) { t.rms_norm(y, a, b, n, 1e-6f); }},
    {"rms_norm in place", [](auto& t, auto* y, auto* a, auto*, auto*, int n) { t.rms_norm(y, y, a, n, 1e-5f); }},
    {"gated_rms_norm",
     [](auto& t, auto* y, auto* a, auto* b, auto* c, int n) { t.gated_rms_norm(y, a, b, c, n, 1e-6f); }},
    {"gated_rms_norm in place",
     [](auto& t, auto* y, auto* a, auto* b, auto*, int n) { t.gated_rms_norm(y, y, a, b, n, 1e-6f); }},
    {"l2_norm", [](auto& t, auto* y, auto*, auto*, auto*, int n) { t.l2_norm(y, n, 1e-6f); }},
    {"add", [](auto& t, auto* y, auto* a, auto*, auto*, int n) { t.add(y, a, n); }},
    {"swiglu", [](auto& t, auto* y, auto* a, auto* b, auto*, int n) { t.swiglu(y, a, b, n); }},
    {"swiglu in place", [](auto& t, auto* y, auto* a, auto*, auto*, int n) { t.swiglu(y, y, a, n); }},
    {"sigmoid_gate", [](auto& t, auto* y, auto* a, auto*, auto*, int n) { t.sigmoid_gate(y, a, n); }},
    {"rope", [](auto& t, auto* y, auto* a, auto* b, auto*, int n) { t.rope(y, a, b, n / 2 * 2); }},
    {"conv_silu", [](auto& t, auto* y, auto* a, auto* b, auto* c, int n) {
       // Three columns; the taps stand in `a`, one float apart, so that they overlap.
       const float* columns[] = {c, b, a};
       t.conv_silu(y, columns, b, n >= 3 ? 1 : 0, 3, n >= 3 ? n - 2 : n);
     }}};

TEST(ElementKernels, EveryTableGivesTheBitsOfTheScalarTwin) {
  std::mt19937 random(1);
  std::vector<int> sizes = {96, 128, 255, 256, 1000, 1024, 3585};
  for (int n = 1; n <= 70; n++) sizes.push_back(n);
  for (const Fill fill : kFills) {
    for (const int n : sizes) {
      const Floats y(n, random, fill), a(n, random, fill), b(n, random, fill), c(n, random, fill);
      for (const Kernel& kernel : kKernels) {
        Floats expected = y;
        kernel.run(scalar::kernels(), expected.data(), a.data(), b.data(), c.data(), n);
        for (const KernelTable* table : tables()) {
          Floats out = y;
          kernel.run(*table, out.data(), a.data(), b.data(), c.data(), n);
          ASSERT_TRUE(same_bits(out, expected))
              << kernel.name << " " << table->isa << " n " << n << " fill " << static_cast<int>(fill);
        }
      }
    }
  }
}

double silu(double x) {
  return x / (1 + std::exp(-x));
}
double length(const Floats& x) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); i++) sum += static_cast<double>(x[i]) * x[i];
  return std::sqrt(sum);
}
// |a - exact| / |exact|; what is too small for a normal float counts absolutely.
double relative(double a, double exact) {
  return std::abs(a - exact) / std::max(std::abs(exact), 1e-37);
}

TEST(ElementKernels, ExpIsCloseToLibm) {
  double worst = 0;
  for (int i = -870'000; i <= 880'000; i++) {
    const float x = i * 1e-4f;
    worst = std::max(worst, relative(scalar::exp(x), std::exp(static_cast<double>(x))));
  }
  EXPECT_LT(worst, 2.5e-7);
  EXPECT_EQ(scalar::exp(0.0f), 1.0f);
  EXPECT_EQ(scalar::exp(-0.0f), 1.0f);
  for (const float x : {-87.5f, -1e30f, -kInfinity}) EXPECT_EQ(scalar::exp(x), scalar::exp(kExpLow));
  for (const float x : {88.5f, 1e30f, kInfinity}) EXPECT_EQ(scalar::exp(x), scalar::exp(kExpHigh));
  EXPECT_TRUE(std::isnan(scalar::exp(kNan)));
}

TEST(ElementKernels, ScalarNormsAgreeWithDoubles) {
  std::mt19937 random(2);
  const KernelTable& t = scalar::kernels();
  double worst = 0;
  for (const int n : {1, 2, 15, 16, 17, 64, 128, 1000, 5120}) {
    const Floats x(n, random), w(n, random), z(n, random);
    Floats rms(n), gated(n), unit = x;
    t.rms_norm(rms.data(), x.data(), w.data(), n, 1e-3f);
    t.gated_rms_norm(gated.data(), x.data(), w.data(), z.data(), n, 1e-3f);
    t.l2_norm(unit.data(), n, 1e-6f);
    const double norm = length(x), scale = 1 / std::sqrt(norm * norm / n + 1e-3f);
    for (int i = 0; i < n; i++) {
      const double y = x[i] * scale * w[i];
      worst =
          std::max({worst, relative(rms[i], y), relative(gated[i], y * silu(z[i])), relative(unit[i], x[i] / norm)});
    }
  }
  EXPECT_LT(worst, 1e-6);
  Floats tiny(3, 1e-8f);  // shorter than eps: divided by eps
  t.l2_norm(tiny.data(), 3, 1e-6f);
  EXPECT_NEAR(tiny[0], 1e-2f, 1e-8f);
}

TEST(ElementKernels, ScalarActivationsAgreeWithDoubles) {
  std::mt19937 random(3);
  const KernelTable& t = scalar::kernels();
  const int n = 20'000;
  Floats gate(n), up(n, random), y(n), gated = up;
  for (int i = 0; i < n; i++) gate[i] = (i - n / 2) * (80.0f / n * 2);
  t.swiglu(y.data(), gate.data(), up.data(), n);
  t.sigmoid_gate(gated.data(), gate.data(), n);
  double worst = 0;
  for (int i = 0; i < n; i++) {
    worst = std::max({worst, relative(y[i], silu(gate[i]) * up[i]),
                      relative(gated[i], up[i] / (1 + std::exp(-static_cast<double>(gate[i]))))});
  }
  EXPECT_LT(worst, 5e-7);
}

TEST(ElementKernels, ScalarRopeRotatesPairsHalfAHeadApart) {
  std::mt19937 random(4);
  for (const int n_rot : {2, 6, 64, 128}) {
    Floats x(n_rot + 3, random), cos(n_rot / 2), sin(n_rot / 2);
    const Floats before = x;
    for (int i = 0; i < n_rot / 2; i++) cos[i] = std::cos(i + 0.3f), sin[i] = std::sin(i + 0.3f);
    scalar::kernels().rope(x.data(), cos.data(), sin.data(), n_rot);
    for (int i = 0; i < n_rot / 2; i++) {
      const double a = before[i], b = before[i + n_rot / 2], angle = i + 0.3f;
      EXPECT_NEAR(x[i], a * std::cos(angle) - b * std::sin(angle), 1e-6);
      EXPECT_NEAR(x[i + n_rot / 2], a * std::sin(angle) + b * std::cos(angle), 1e-6);
    }
    for (int i = n_rot; i < n_rot + 3; i++) EXPECT_EQ(x[i], before[i]);
  }
}

TEST(ElementKernels, ConvolutionOfAnyLengthAgreesWithDoubles) {
  std::mt19937 random(5);
  for (int n_taps = 1; n_taps <= 8; n_taps++) {
    const int n = 53, stride = 60;
    const Floats taps(n_taps * stride, random), rows(n_taps * stride, random);
    const float* columns[8];
    for (int i = 0; i < n_taps; i++) columns[i] = rows.data() + (n_taps - 1 - i) * stride;
    Floats expected(n);
    scalar::kernels().conv_silu(expected.data(), columns, taps.data(), stride, n_taps, n);
    for (int c = 0; c < n; c++) {
      double sum = 0;
      for (int i = 0; i < n_taps; i++) sum += static_cast<double>(taps[i * stride + c]) * columns[i][c];
      ASSERT_NEAR(expected[c], silu(sum), 2e-6) << c;
    }
    for (const KernelTable* table : tables_with_own(&KernelTable::conv_silu)) {
      Floats out(n);
      table->conv_silu(out.data(), columns, taps.data(), stride, n_taps, n);
      ASSERT_TRUE(same_bits(out, expected)) << table->isa << " taps " << n_taps;
    }
  }
}

TEST(ArgMax, FindsTheFirstOfTheLargestAndAnyNan) {
  std::mt19937 random(6);
  std::vector<int> sizes = {1000, 2048, 151'937};
  for (int n = 1; n <= 70; n++) sizes.push_back(n);
  for (const KernelTable* table : tables_with_own(&KernelTable::argmax)) {
    for (const int n : sizes) {
      const int step = n <= 70 ? 1 : n / 17;
      SCOPED_TRACE(std::string(table->isa) + " n " + std::to_string(n));
      Floats x(n, random);
      for (int at = 0; at < n; at += step) {
        const float before = x[at];
        x[at] = 100;
        ASSERT_EQ(table->argmax(x.data(), n), at);
        const int twin = at + static_cast<int>(random() % (n - at));
        const float at_twin = x[twin];
        x[twin] = 100;
        ASSERT_EQ(table->argmax(x.data(), n), at);
        x[twin] = at_twin;
        x[at] = before;
        const int64_t plain = std::max_element(x.data(), x.data() + n) - x.data();
        ASSERT_EQ(table->argmax(x.data(), n), plain);
        for (const float bad : {kNan, -kNan}) {
          x[at] = bad;
          ASSERT_EQ(table->argmax(x.data(), n), -1) << "NaN at " << at;
        }
        x[at] = before;
      }
      EXPECT_EQ(table->argmax(Floats(n, -kInfinity).data(), n), 0);
      Floats zeros(n, -0.0f);
      zeros[n - 1] = 0.0f;  // equal, so the lower index
      EXPECT_EQ(table->argmax(zeros.data(), n), 0);
    }
  }
}

// ------------------------------------------------------------------------------------------------ delta rule

constexpr int kMaxRows = 7;
constexpr int kPromptRows = 66;  // so many that several blocks of columns may be taken at once

// A sequence of rows for one value head and what a call on some of them needs.
struct Delta {
  Delta(int dk, std::mt19937& random, Fill fill = Fill::kUsual, int dv = 48)
      : dk(dk),
        dv(dv),
        stride(2 * dk + dv + 3),
        state(static_cast<size_t>(dk) * dv, random, fill),
        qkv(static_cast<size_t>(kPromptRows) * stride, random, fill),
        gates(2 * kPromptRows) {
    for (size_t i = 0; i < qkv.size(); i++) {
      if (fill == Fill::kUsual) qkv[i] /= std::sqrt(static_cast<float>(dk));
    }
    for (size_t i = 0; i < gates.size(); i++) gates[i] = 1 / (1 + std::exp(-random_value(random)));
  }

  DeltaRows rows(int first, int last, bool replayed = false) const {
    const float* const row = qkv.data() + first * stride;
    return {.n = last - first,
            .q = replayed ? nullptr : row,
            .k = row + dk,
            .v = row + 2 * dk,
            .beta = gates.data() + 2 * first,
            .decay = gates.data() + 2 * first + 1,
            .qkv_stride = stride,
            .gate_stride = 2};
  }

  int out_stride() const { return dv + 2; }

  int dk, dv;
  int64_t stride;
  Floats state, qkv, gates;
};

struct DeltaResult {
  explicit DeltaResult(const Delta& d) : state(d.state), o(kPromptRows * d.out_stride(), kUntouched) {}

  // Replays rows [replay, first), then runs rows [first, last); of all these the first n_kept stay.
  void run(const KernelTable& table, const Delta& d, int replay, int first, int last, int n_kept) {
    table.delta_rule({.state = state.data(),
                      .dk = d.dk,
                      .dv = d.dv,
                      .replay = d.rows(replay, first, true),
                      .step = d.rows(first, last),
                      .n_kept = n_kept,
                      .o = o.data() + first * d.out_stride(),
                      .o_stride = d.out_stride(),
                      .scale = 0.25f});
  }

  Floats state, o;
};

::testing::AssertionResult same_bits(const DeltaResult& a, const DeltaResult& b) {
  if (const auto state = same_bits(a.state, b.state); !state)
    return ::testing::AssertionFailure() << "state, " << state.message();
  return same_bits(a.o, b.o);
}

const int kKeyDims[] = {16, 32, 48, 64, 80, 96, 128, 192, 256};

TEST(DeltaRule, EveryTableGivesTheBitsOfTheScalarTwin) {
  std::mt19937 random(7);
  for (const Fill fill : kFills) {
    for (const int dk : kKeyDims) {
      const Delta d(dk, random, fill, 16 * (1 + dk / 16 * 2 % 5));
      for (int replay = 0; replay <= 2; replay++) {
        for (int n = 0; n <= 4; n++) {
          for (int n_kept = 0; n_kept <= replay + n; n_kept++) {
            DeltaResult expected(d);
            expected.run(scalar::kernels(), d, 0, replay, replay + n, n_kept);
            for (const KernelTable* table : tables_with_own(&KernelTable::delta_rule)) {
              DeltaResult out(d);
              out.run(*table, d, 0, replay, replay + n, n_kept);
              ASSERT_TRUE(same_bits(out, expected)) << table->isa << " dk " << dk << " replay " << replay << " rows "
                                                    << n << " kept " << n_kept << " fill " << static_cast<int>(fill);
            }
          }
        }
      }
    }
  }
}

TEST(DeltaRule, APromptGivesTheBitsOfTheScalarTwin) {
  std::mt19937 random(12);
  for (const int dk : {16, 128, 256}) {
    for (int dv = 16; dv <= 128; dv += 16) {
      const Delta d(dk, random, Fill::kUsual, dv);
      for (const int n : {kPromptRows - 3, kPromptRows}) {
        for (const auto& [replay, n_kept] : {std::pair(0, n), std::pair(0, n - 3), std::pair(2, 2), std::pair(2, 0)}) {
          DeltaResult expected(d);
          expected.run(scalar::kernels(), d, 0, replay, n, n_kept);
          for (const KernelTable* table : tables_with_own(&KernelTable::delta_rule)) {
            DeltaResult out(d);
            out.run(*table, d, 0, replay, n, n_kept);
            ASSERT_TRUE(same_bits(out, expected)) << table->isa << " dk " << dk << " dv " << dv << " rows " << n
                                                  << " replay " << replay << " kept " << n_kept;
          }
        }
      }
    }
  }
}

TEST(DeltaRule, ScalarAgreesWithANaiveRecurrenceInDoubles) {
  std::mt19937 random(8);
  for (const int dk : kKeyDims) {
    const Delta d(dk, random);
    DeltaResult out(d);
    out.run(scalar::kernels(), d, 0, 0, kMaxRows, kMaxRows);
    // S <- alpha S (I - beta k k^T) + beta v k^T, the paper's form; o = scale S q
    for (int j = 0; j < d.dv; j++) {
      const auto at = [&](int i) { return (j / 16 * dk + i) * 16 + j % 16; };
      std::vector<double> s(dk);
      for (int i = 0; i < dk; i++) s[i] = d.state[at(i)];
      for (int t = 0; t < kMaxRows; t++) {
        const DeltaRows row = d.rows(t, t + 1);
        const double alpha = *row.decay, beta = *row.beta;
        double along_k = 0, o = 0;
        for (int i = 0; i < dk; i++) along_k += s[i] * row.k[i];
        for (int i = 0; i < dk; i++) {
          s[i] = alpha * (s[i] - beta * along_k * row.k[i]) + beta * row.v[j] * row.k[i];
          o += s[i] * row.q[i];
        }
        ASSERT_NEAR(out.o[t * d.out_stride() + j], 0.25 * o, 1e-6) << "dk " << dk << " row " << t;
      }
      for (int i = 0; i < dk; i++) ASSERT_NEAR(out.state[at(i)], s[i], 2e-6) << "dk " << dk;
    }
  }
}

// Rows [0, sure) are sure, [sure, drafted) drafts, of which those up to `accepted` are replayed by the next call.
TEST(DeltaRule, ReplayedDraftsGiveTheBitsOfSureRows) {
  std::mt19937 random(9);
  for (const KernelTable* table : tables_with_own(&KernelTable::delta_rule)) {
    for (const int dk : {32, 128}) {
      const Delta d(dk, random);
      DeltaResult plain(d);
      plain.run(*table, d, 0, 0, kMaxRows, kMaxRows);
      for (int sure = 0; sure <= kMaxRows; sure++) {
        DeltaResult prefix(d);
        prefix.run(*table, d, 0, 0, sure, sure);
        for (int drafted = sure; drafted <= kMaxRows; drafted++) {
          DeltaResult first(d);
          first.run(*table, d, 0, 0, drafted, sure);
          ASSERT_TRUE(same_bits(first.state, prefix.state)) << table->isa << ": drafts changed the state";
          for (int accepted = sure; accepted <= drafted; accepted++) {
            SCOPED_TRACE(std::string(table->isa) + " sure " + std::to_string(sure) + " drafted " +
                         std::to_string(drafted) + " accepted " + std::to_string(accepted));
            DeltaResult next = first;
            next.run(*table, d, sure, accepted, kMaxRows, kMaxRows - sure);
            ASSERT_TRUE(same_bits(next, plain));
          }
        }
      }
    }
  }
}

// A model's own drafts, one in each call: what the calls before it ran is replayed, and the state is not touched.
TEST(DeltaRule, DraftsRunOneByOneGiveTheBitsOfSureRows) {
  std::mt19937 random(11);
  for (const KernelTable* table : tables_with_own(&KernelTable::delta_rule)) {
    const Delta d(64, random);
    DeltaResult plain(d), prefix(d);
    plain.run(*table, d, 0, 0, kMaxRows, kMaxRows);
    prefix.run(*table, d, 0, 0, 2, 2);
    DeltaResult one_by_one = prefix;
    for (int row = 2; row < kMaxRows; row++) one_by_one.run(*table, d, 2, row, row + 1, 0);
    EXPECT_TRUE(same_bits(one_by_one.o, plain.o)) << table->isa;
    EXPECT_TRUE(same_bits(one_by_one.state, prefix.state)) << table->isa;
  }
}

// ------------------------------------------------------------------------------------------------ attention

const KvType kKvTypes[] = {KvType::kF16, KvType::kF32, KvType::kQ8_0};

std::vector<float> read_back(KvType type, const uint8_t* cached, int64_t head_dim) {
  std::vector<float> x(static_cast<size_t>(head_dim));
  const DType file_type = type == KvType::kF32 ? DType::kF32 : type == KvType::kF16 ? DType::kF16 : DType::kQ8_0;
  decode_row(file_type, cached, head_dim, x.data());
  return x;
}

// n cached vectors, aligned no better than their elements, with a gap after each.
struct Cached {
  Cached(KvType type, int n, int head_dim, std::mt19937& random, Fill fill = Fill::kUsual)
      : type(type), head_dim(head_dim), unit(type == KvType::kF32 ? 4 : 2), stride(kv_bytes(type, head_dim) + unit) {
    bytes.resize(unit + n * stride);
    for (int i = 0; i < n; i++) {
      Floats x(head_dim, random, fill);
      kv_store(type, x.data(), head_dim, bytes.data() + unit + i * stride);
    }
  }
  const uint8_t* at(int64_t position) const { return bytes.data() + unit + position * stride; }
  std::vector<float> operator[](int position) const { return read_back(type, at(position), head_dim); }

  KvType type;
  int head_dim, unit;
  int64_t stride;
  std::vector<uint8_t> bytes;
};

struct Attended {
  Attended(int n_group, int head_dim, int n_rows = 1)
      : m(n_rows * n_group), l(n_rows * n_group), o(n_rows * (n_group * head_dim + 5), kUntouched) {}
  // Row r sees n[r] positions from `first` on.
  void run(const KernelTable& table, const Floats& q, int n_group, float scale, const Cached& k, const Cached& v,
           int first, const std::vector<int>& n) {
    table.attend({.q = q.data(),
                  .q_row = n_group * (k.head_dim + 3) + 1,
                  .q_head = k.head_dim + 3,
                  .n_rows = static_cast<int>(n.size()),
                  .n_group = n_group,
                  .head_dim = k.head_dim,
                  .scale = scale,
                  .k_type = k.type,
                  .v_type = v.type,
                  .k = k.at(first),
                  .v = v.at(first),
                  .k_stride = k.stride,
                  .v_stride = v.stride,
                  .n = n.data(),
                  .m = m.data(),
                  .l = l.data(),
                  .o = o.data(),
                  .o_row = n_group * k.head_dim + 5});
  }
  Floats m, l, o;
};

TEST(Attend, EveryTableGivesTheBitsOfTheScalarTwin) {
  std::mt19937 random(11);
  int n_group = 0;
  const auto compare = [&](KvType k_type, KvType v_type, int head_dim, int n, Fill fill) {
    n_group = n_group % 13 + 1;
    const Cached k(k_type, n, head_dim, random, fill), v(v_type, n, head_dim, random, fill);
    const Floats q(n_group * (head_dim + 3), random, fill);
    const float scale = 1 / std::sqrt(static_cast<float>(head_dim));
    Attended expected(n_group, head_dim);
    expected.run(scalar::kernels(), q, n_group, scale, k, v, 0, {n});
    for (const KernelTable* table : tables_with_own(&KernelTable::attend)) {
      SCOPED_TRACE(std::string(table->isa) + " k " + kv_type_name(k_type) + " v " + kv_type_name(v_type) + " Dh " +
                   std::to_string(head_dim) + " n " + std::to_string(n) + " group " + std::to_string(n_group) +
                   " fill " + std::to_string(static_cast<int>(fill)));
      Attended out(n_group, head_dim);
      out.run(*table, q, n_group, scale, k, v, 0, {n});
      ASSERT_TRUE(same_bits(out.m, expected.m));
      ASSERT_TRUE(same_bits(out.l, expected.l));
      ASSERT_TRUE(same_bits(out.o, expected.o));
    }
  };
  for (const KvType k_type : kKvTypes) {
    for (const KvType v_type : kKvTypes) {
      for (const int head_dim : {32, 64, 96, 128, 224, 256}) {
        for (const int n : {1, 2, 3, 4, 5, 16, 17, 31, 99, 255, 256}) {
          compare(k_type, v_type, head_dim, n, Fill::kUsual);
        }
      }
      for (const Fill fill : kFills) compare(k_type, v_type, 96, 37, fill);
    }
  }
  for (int n = 1; n <= 70; n++) compare(KvType::kF16, KvType::kF16, 32, n, Fill::kUsual);
  for (const int head_dim : {288, 480, 512}) {
    for (const KvType type : kKvTypes) {
      for (int i = 0; i < 4; i++) compare(type, type, head_dim, 33, Fill::kUsual);
    }
  }
  n_group = 18;
  for (int i = 0; i < 2; i++) compare(KvType::kF16, KvType::kQ8_0, 64, 20, Fill::kUsual), n_group = 31;
}

// Single keys that make one score NaN, infinite or minus zero, wherever it stands among the others.
TEST(Attend, ScoresThatAreNoNumbersGiveTheBitsOfTheScalarTwin) {
  std::mt19937 random(16);
  const int head_dim = 32, n_group = 2;
  Floats q(n_group * (head_dim + 3), random);
  for (size_t i = 0; i < q.size(); i++) q[i] = std::fabs(q[i]);
  for (const int n : {1, 16, 17, 40}) {
    for (const float odd : {kNan, -kNan, kInfinity, -kInfinity, -0.0f}) {
      for (int at = 0; at < n; at++) {
        Cached k(KvType::kF32, n, head_dim, random);
        const Cached v(KvType::kF32, n, head_dim, random);
        for (int i = 0; i < n; i++) {
          Floats x(head_dim, random);
          // The others: below zero, or plus zero where it is to be seen which of two zeros is the largest.
          for (int d = 0; d < head_dim; d++) x[d] = i == at ? odd : odd == 0 ? 0.0f : -std::fabs(x[d]);
          kv_store(KvType::kF32, x.data(), head_dim, k.bytes.data() + k.unit + i * k.stride);
        }
        Attended expected(n_group, head_dim);
        expected.run(scalar::kernels(), q, n_group, 0.1f, k, v, 0, {n});
        EXPECT_FALSE(odd == 0 && std::signbit(expected.m[0]));
        for (const KernelTable* table : tables_with_own(&KernelTable::attend)) {
          SCOPED_TRACE(std::string(table->isa) + " " + std::to_string(odd) + " at " + std::to_string(at) + " of " +
                       std::to_string(n));
          Attended out(n_group, head_dim);
          out.run(*table, q, n_group, 0.1f, k, v, 0, {n});
          ASSERT_TRUE(same_bits(out.m, expected.m));
          ASSERT_TRUE(same_bits(out.l, expected.l));
          ASSERT_TRUE(same_bits(out.o, expected.o));
        }
      }
    }
  }
}

// Rows of one call that see different numbers of positions, some none: each has the bits it has alone, and what is not
// its own stays as it was.
TEST(Attend, RowsOfACallDoNotDependOnEachOther) {
  std::mt19937 random(15);
  const int head_dim = 96, n_positions = 256;
  for (const int n_group : {1, 2, 3, 4, 8}) {
    const KvType k_type = kKvTypes[n_group % 3], v_type = kKvTypes[(n_group + 2) % 3];
    const Cached k(k_type, n_positions, head_dim, random), v(v_type, n_positions, head_dim, random);
    const std::vector<int> n = {256, 1, 0, 255};
    const int q_row = n_group * (head_dim + 3) + 1, o_row = n_group * head_dim + 5;
    const Floats q(static_cast<int>(n.size()) * q_row, random);
    for (const KernelTable* table : tables_with_own(&KernelTable::attend)) {
      Attended out(n_group, head_dim, static_cast<int>(n.size()));
      out.run(*table, q, n_group, 0.2f, k, v, 0, n);
      for (int r = 0; r < static_cast<int>(n.size()); r++) {
        Attended alone(n_group, head_dim);
        Floats row(q_row);
        std::copy_n(q.data() + r * q_row, q_row, row.data());
        if (n[r] > 0) alone.run(scalar::kernels(), row, n_group, 0.2f, k, v, 0, {n[r]});
        for (int i = 0; i < o_row; i++) {
          ASSERT_EQ(bits_of_float(out.o[r * o_row + i]), bits_of_float(alone.o[i])) << table->isa << " row " << r;
        }
        for (int h = 0; n[r] > 0 && h < n_group; h++) {
          ASSERT_EQ(out.m[r * n_group + h], alone.m[h]);
          ASSERT_EQ(out.l[r * n_group + h], alone.l[h]);
        }
      }
    }
  }
}

TEST(Attend, MergeGivesTheBitsOfTheScalarTwin) {
  std::mt19937 random(12);
  for (int head_dim = 1; head_dim <= 70; head_dim++) {
    for (const float apart : {0.0f, 0.3f, -0.3f, 20.0f, -20.0f, 500.0f, -500.0f}) {
      const Floats a(head_dim, random), b(head_dim, random);
      Floats expected = a, ml_expected(2);
      for (const KernelTable* table : tables_with_own(&KernelTable::attend_merge)) {
        Floats out = a, ml(2);
        ml[0] = 1.5f, ml[1] = 3;
        table->attend_merge(&ml[0], &ml[1], out.data(), 1.5f + apart, 2, b.data(), head_dim);
        if (table == &scalar::kernels()) expected = out, ml_expected = ml;
        ASSERT_TRUE(same_bits(out, expected)) << table->isa;
        ASSERT_TRUE(same_bits(ml, ml_expected)) << table->isa;
        ASSERT_EQ(ml[0], std::max(1.5f, 1.5f + apart));
      }
    }
  }
}

// Pieces of any size, merged in order, against the softmax over all positions at once in doubles, over what the cache
// holds.
TEST(Attend, MergedPiecesAgreeWithADirectSoftmaxInDoubles) {
  std::mt19937 random(13);
  const int head_dim = 96, n = 700, n_group = 3;
  for (const KvType type : kKvTypes) {
    const Cached k(type, n, head_dim, random), v(type, n, head_dim, random);
    Floats q(n_group * (head_dim + 3), random);
    for (const float scale : {0.1f, 1.0f}) {  // flat, and with a few positions that stand out
      std::vector<double> exact(n_group * head_dim);
      for (int h = 0; h < n_group; h++) {
        std::vector<double> p(n);
        double most = -1e300, sum = 0;
        for (int i = 0; i < n; i++) {
          const std::vector<float> key = k[i];
          for (int d = 0; d < head_dim; d++) p[i] += static_cast<double>(q[h * (head_dim + 3) + d]) * key[d] * scale;
          most = std::max(most, p[i]);
        }
        for (double& x : p) sum += x = std::exp(x - most);
        for (int i = 0; i < n; i++) {
          const std::vector<float> value = v[i];
          for (int d = 0; d < head_dim; d++) exact[h * head_dim + d] += p[i] / sum * value[d];
        }
      }
      for (const int piece : {1, 33, 100, 256}) {
        Attended all(n_group, head_dim), next(n_group, head_dim);
        for (int first = 0; first < n; first += piece) {
          (first == 0 ? all : next)
              .run(scalar::kernels(), q, n_group, scale, k, v, first, {std::min(piece, n - first)});
          for (int h = 0; first != 0 && h < n_group; h++) {
            scalar::kernels().attend_merge(&all.m[h], &all.l[h], &all.o[h * head_dim], next.m[h], next.l[h],
                                           &next.o[h * head_dim], head_dim);
          }
        }
        double worst = 0;
        for (int i = 0; i < n_group * head_dim; i++) {
          worst = std::max(worst, std::abs(all.o[i] / all.l[i / head_dim] - exact[i]));
        }
        EXPECT_LT(worst, 5e-6) << kv_type_name(type) << " scale " << scale << " pieces of " << piece;
      }
    }
  }
}

TEST(KvStore, WritesWhatTheTypeHoldsAndNoMore) {
  std::mt19937 random(14);
  for (const KvType type : kKvTypes) {
    for (const int head_dim : {32, 64, 96, 256}) {
      for (const Fill fill : {Fill::kUsual, Fill::kZero, Fill::kDenormal, Fill::kMixed}) {
        SCOPED_TRACE(std::string(kv_type_name(type)) + " Dh " + std::to_string(head_dim) + " fill " +
                     std::to_string(static_cast<int>(fill)));
        const Floats x(head_dim, random, fill);
        const auto n_bytes = static_cast<size_t>(kv_bytes(type, head_dim));
        std::vector<uint8_t> bytes(n_bytes + 2, 0xab), again(n_bytes);
        kv_store(type, x.data(), head_dim, bytes.data() + 1);
        EXPECT_EQ(bytes.front(), 0xab);
        EXPECT_EQ(bytes.back(), 0xab);
        const std::vector<float> read = read_back(type, bytes.data() + 1, head_dim);
        for (int i = 0; i < head_dim; i++) {
          if (type != KvType::kQ8_0) {
            const float held = type == KvType::kF32 ? x[i] : f16_to_f32(f32_to_f16(x[i]));
            ASSERT_EQ(bits_of_float(read[i]), bits_of_float(held)) << i;
          }
          if (type == KvType::kQ8_0 && fill == Fill::kUsual) {
            const float* const block = x.data() + i / 32 * 32;
            float largest = 0;
            for (int j = 0; j < 32; j++) largest = std::max(largest, std::abs(block[j]));
            ASSERT_LE(std::abs(read[i] - x[i]), 0.501 * largest / 127) << i;  // half a step, the scale being a half
          }
        }
        if (fill == Fill::kMixed && type == KvType::kQ8_0) continue;  // scales that a half does not hold
        kv_store(type, read.data(), head_dim, again.data());
        EXPECT_EQ(std::memcmp(again.data(), bytes.data() + 1, n_bytes), 0) << "what was read is not stored as it was";
      }
    }
  }
}

TEST(KvStore, BytesOfAQ8Block) {
  Floats x(32);
  for (int i = 0; i < 32; i++) x[i] = 0.5f * static_cast<float>(i - 16);
  x[31] = 63.5f;                                             // scale 0.5
  x[0] = 0.25f, x[1] = 0.75f, x[2] = -0.25f, x[3] = -0.75f;  // ties go to even
  uint8_t bytes[34];
  kv_store(KvType::kQ8_0, x.data(), 32, bytes);
  EXPECT_EQ(bytes[0] | bytes[1] << 8, f32_to_f16(0.5f));
  const int first[] = {0, 2, 0, -2, -12, -11};
  for (int i = 0; i < 6; i++) EXPECT_EQ(static_cast<int8_t>(bytes[2 + i]), first[i]) << i;
  EXPECT_EQ(static_cast<int8_t>(bytes[33]), 127);
}

TEST(KvStore, ANanOrAnInfinityIsReadAsOne) {
  for (const KvType type : kKvTypes) {
    for (const float bad : {kNan, kInfinity, -kInfinity}) {
      for (int at = 0; at < 64; at += 9) {
        Floats x(64, 1.0f);
        x[at] = bad;
        std::vector<uint8_t> bytes(static_cast<size_t>(kv_bytes(type, 64)));
        kv_store(type, x.data(), 64, bytes.data());
        const std::vector<float> read = read_back(type, bytes.data(), 64);
        EXPECT_FALSE(std::isfinite(read[at])) << kv_type_name(type) << " " << bad;
        EXPECT_TRUE(std::isfinite(read[(at + 32) % 64])) << kv_type_name(type) << " " << bad;
      }
    }
  }
}

}  // namespace
}  // namespace nextn
