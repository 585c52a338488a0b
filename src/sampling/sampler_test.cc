// The sampler against a slow twin that sorts everything, against hand-made cases, and against the laws it must have.
#include "sampling/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <set>

#include "sampling/philox.h"

namespace nextn {
namespace {

const float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();

using Row = std::vector<float>;

// Everything off but temperature 1.
SamplerParams plain(uint64_t seed = 1) {
  return {.temp = 1, .top_k = 0, .top_p = 1, .min_p = 0, .seed = seed};
}

// The choice from a row, the same when the largest logits of its blocks are known.
Sample choice_of(const Sampler& sampler, const Row& row, int64_t position, SamplerScratch& scratch) {
  const Sample s = sampler.sample(row.data(), position, scratch);
  for (const int64_t block : {16, 1024}) {
    Row max;
    for (size_t i = 0; i < row.size(); i++) {
      if (i % static_cast<size_t>(block) == 0) max.push_back(-kInf);
      if (std::isnan(row[i]) || row[i] > max.back()) max.back() = row[i];  // a NaN is not passed by anything
    }
    const Sample known = sampler.sample(row.data(), position, scratch, {max.data(), block});
    EXPECT_EQ(known.outcome, s.outcome) << "blocks of " << block;
    EXPECT_EQ(known.token, s.token) << "blocks of " << block;
  }
  return s;
}

int32_t token_of(const Sampler& sampler, const Row& row, int64_t position = 0) {
  SamplerScratch scratch(static_cast<int32_t>(row.size()));
  const Sample s = choice_of(sampler, row, position, scratch);
  EXPECT_EQ(s.outcome, SampleOutcome::kToken);
  return s.token;
}

int32_t greedy(const Row& row, SamplerParams params = {}, const std::vector<int32_t>& history = {}) {
  params.temp = 0;
  Sampler sampler(params, static_cast<int32_t>(row.size()));
  for (const int32_t token : history) sampler.accept(token);
  return token_of(sampler, row);
}

// What is left after the truncations, seen by sampling hot at many positions.
std::set<int32_t> left(const Row& row, SamplerParams params, const std::vector<int32_t>& history = {}) {
  params.temp = 50;
  Sampler sampler(params, static_cast<int32_t>(row.size()));
  for (const int32_t token : history) sampler.accept(token);
  SamplerScratch scratch(sampler.n_vocab());
  std::set<int32_t> seen;
  for (int64_t p = 0; p < 2000; p++) seen.insert(sampler.sample(row.data(), p, scratch).token);
  return seen;
}

using Set = std::set<int32_t>;

// The twin: a list of (logit, id), sorted, cut three times, libm throughout. `history` is the window.
int32_t slow_twin(const Row& row, const SamplerParams& params, int64_t position, std::vector<int32_t> history,
                  uint32_t choice = 0) {
  Row l = row;
  for (const auto& [token, bias] : params.logit_bias) l[token] = std::isinf(bias) ? bias : l[token] + bias;
  if (static_cast<int>(history.size()) > params.penalty_last_n) {
    history.erase(history.begin(), history.end() - params.penalty_last_n);
  }
  std::map<int32_t, int> counts;
  for (const int32_t token : history) counts[token]++;
  for (const auto& [token, count] : counts) {
    l[token] = l[token] <= 0 ? l[token] * params.repeat_penalty : l[token] / params.repeat_penalty;
    l[token] -= count * params.frequency_penalty + params.presence_penalty;
  }
  std::vector<int32_t> ids(l.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::stable_sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) { return l[a] > l[b]; });
  if (params.temp <= 0) return ids[0];
  const double max = l[ids[0]];
  if (params.top_k > 0 && params.top_k < static_cast<int>(ids.size())) ids.resize(params.top_k);
  if (params.top_p < 1) {
    double total = 0, sum = 0;
    for (const int32_t id : ids) total += std::exp(l[id] - max);
    size_t kept = 0;
    do sum += std::exp(l[ids[kept++]] - max);
    while (kept < ids.size() && sum < params.top_p * total);
    ids.resize(kept);
  }
  if (params.min_p > 0) {
    const double least = max + std::log(static_cast<double>(params.min_p));
    while (l[ids.back()] < static_cast<float>(least)) ids.pop_back();
  }
  int32_t best_id = -1;
  double best = -1e300;
  for (const int32_t id : ids) {
    if (l[id] == -kInf) continue;
    const uint32_t p = static_cast<uint32_t>(position), u = static_cast<uint32_t>(id);
    const uint32_t word = philox4x32_10({u / 4, choice, p, 0}, params.seed)[u % 4];
    const double score = (l[id] - max) / params.temp - std::log(-std::log((word + 0.5) / 4294967296.0));
    if (score > best || (score == best && id < best_id)) best = score, best_id = id;
  }
  return best_id;
}

// Chi-square value that a right law exceeds with probability 1e-6 (Wilson and Hilferty's approximation).
double chi_square_limit(int degrees) {
  const double a = 2.0 / (9 * degrees);
  return degrees * std::pow(1 - a + 4.7534 * std::sqrt(a), 3);
}

// Cells expecting fewer than 5 are pooled.
void expect_law(const std::vector<int64_t>& seen, const std::vector<double>& p) {
  const double n = static_cast<double>(std::accumulate(seen.begin(), seen.end(), int64_t{0}));
  double chi = 0, pool_seen = 0, pool_expected = 0;
  int cells = 0;
  const auto cell = [&](double s, double e) { chi += (s - e) * (s - e) / e, cells++; };
  for (size_t i = 0; i < p.size(); i++) {
    if (p[i] * n >= 5) {
      cell(static_cast<double>(seen[i]), p[i] * n);
    } else {
      pool_seen += static_cast<double>(seen[i]), pool_expected += p[i] * n;
    }
  }
  if (pool_expected >= 1) cell(pool_seen, pool_expected);
  EXPECT_LT(chi, chi_square_limit(cells - 1)) << cells << " cells";
}

std::vector<double> softmax(const Row& row, double temp) {
  std::vector<double> p;
  for (const float l : row) p.push_back(std::exp(l / temp));
  const double total = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& x : p) x /= total;
  return p;
}

Row random_row(std::mt19937& random, int n, float sigma) {
  std::normal_distribution<float> normal(0, sigma);
  Row row(n);
  for (float& l : row) l = normal(random);
  return row;
}

// ---- greedy, ties, what is not a number

TEST(Sampler, GreedyIsTheArgMax) {
  for (int n = 1; n < 70; n++) {
    for (int i = 0; i < n; i++) {
      Row row(n, -1.0f);
      row[i] = 3;
      EXPECT_EQ(greedy(row), i);
    }
  }
  EXPECT_EQ(greedy({1, 3, 2}, {.temp = -1}), 1);
}

TEST(Sampler, TiesGoToTheLowerId) {
  EXPECT_EQ(greedy({1, 2, 2, 2}), 1);
  EXPECT_EQ(greedy({-1, 0.0f, -0.0f}), 1);
  EXPECT_EQ(greedy({-1, -0.0f, 0.0f}), 1);
  Row row(50, 0.0f);
  row[37] = row[21] = row[44] = 1;
  EXPECT_EQ(greedy(row), 21);
  // Truncations cut by (logit, id) too.
  SamplerParams k = plain();
  k.top_k = 2;
  EXPECT_EQ(left({0, 1, 1, 1}, k), (Set{1, 2}));
  EXPECT_EQ(left({-1, 0.0f, -0.0f, -0.0f, 0.0f}, k), (Set{1, 2}));
  SamplerParams p = plain();
  p.top_p = 0.5f;
  EXPECT_EQ(left({1, 1, 1, 1}, p), (Set{0, 1}));
  EXPECT_EQ(left({-0.0f, 0.0f, -0.0f, 0.0f}, p), (Set{0, 1}));
  p.top_k = 4;
  EXPECT_EQ(left({1, 1, 1, 1, -9}, p), (Set{0, 1}));
  row.assign(300, 2.5f);
  k.top_k = 7;
  EXPECT_EQ(left(row, k), (Set{0, 1, 2, 3, 4, 5, 6}));
}

// Two tokens whose noise is the same word: among 262144 there are some eight pairs.
TEST(Sampler, EqualScoresGoToTheLowerId) {
  const int n = 1 << 18;
  std::vector<std::pair<uint32_t, int32_t>> words;
  for (int32_t id = 0; id < n; id++) words.emplace_back(noise_block(1, 0, id / 4, 0)[id % 4], id);
  std::sort(words.begin(), words.end());
  int n_pairs = 0;
  for (int i = 0; i + 1 < n; i++) {
    if (words[i].first != words[i + 1].first) continue;
    n_pairs++;
    const int32_t low = words[i].second, high = words[i + 1].second;
    Row row(n, -kInf);
    row[low] = row[high] = 1;
    SamplerParams k = plain();
    k.top_k = 5;
    EXPECT_EQ(token_of(Sampler(plain(), n), row), low);
    EXPECT_EQ(token_of(Sampler(k, n), row), low);
    row[high] = 1.001f;  // told first when sorted
    EXPECT_EQ(token_of(Sampler(k, n), row), high);
  }
  EXPECT_GT(n_pairs, 0);
}

TEST(Sampler, ANanIsAnOutcome) {
  SamplerParams sampled = plain(), k40, banned = plain();
  banned.logit_bias = {{5, -kInf}};
  for (const int n : {6, 16, 37}) {
    SamplerScratch scratch(n);
    for (const SamplerParams& params : {SamplerParams{.temp = 0}, sampled, k40, banned}) {
      const Sampler sampler(params, n);
      for (int i = 0; i < n; i++) {
        for (const float nan : {kNan, -kNan}) {
          Row row(n, 1.0f);
          row[i] = nan;
          const Sample s = choice_of(sampler, row, 0, scratch);
          EXPECT_EQ(s.outcome, SampleOutcome::kNan) << n << " " << i;
          EXPECT_EQ(s.token, -1);
        }
      }
      Row fine(n, 1.0f);
      fine[3] = -kInf;
      EXPECT_EQ(sampler.sample(fine.data(), 0, scratch).outcome, SampleOutcome::kToken);
    }
  }
}

TEST(Sampler, ExtremeLogitsAndTemperatures) {
  const Row row = {-3e38f, 3e38f, 0, 3.1e38f, -kInf, 1e-45f};
  for (const float temp : {1e-45f, 1e-30f, 1.0f, 1e30f}) {
    for (const int top_k : {0, 3}) {
      SamplerParams params = plain();
      params.temp = temp, params.top_k = top_k, params.min_p = 1e-30f, params.top_p = 0.99f;
      EXPECT_EQ(left(row, params), Set{3}) << temp;
      EXPECT_EQ(token_of(Sampler(params, 6), row), 3);
    }
  }
  SamplerParams cold = plain();
  cold.temp = 1e-45f;
  for (int64_t p = 0; p < 100; p++) EXPECT_EQ(token_of(Sampler(cold, 4), {0, 1, 1.001f, 1}, p), 2);
}

// ---- bias and penalties

TEST(Sampler, BiasBansAndForces) {
  const Row row = {1, 5, 2, 0};
  EXPECT_EQ(greedy(row, {.logit_bias = {{2, 4}}}), 2);
  EXPECT_EQ(greedy(row, {.logit_bias = {{2, 1}, {2, 3}}}), 2);  // repeated: added
  EXPECT_EQ(greedy(row, {.logit_bias = {{1, -kInf}}}), 2);
  EXPECT_EQ(greedy(row, {.logit_bias = {{3, kInf}}}), 3);
  EXPECT_EQ(greedy({1, -kInf, 2}, {.logit_bias = {{1, kInf}}}), 1);
  EXPECT_EQ(greedy({1, kInf, 2}, {.logit_bias = {{1, -kInf}}}), 2);
  SamplerParams params = plain();
  params.logit_bias = {{1, -kInf}, {3, -kInf}};
  EXPECT_EQ(left(row, params), (Set{0, 2}));
  params.top_k = 3;
  EXPECT_EQ(left(row, params), (Set{0, 2}));
  params.logit_bias = {{3, kInf}, {2, kInf}};
  EXPECT_EQ(left(row, params), Set{2});
  SamplerScratch scratch(4);
  const SamplerParams all = {.logit_bias = {{0, -kInf}, {1, -kInf}, {2, -kInf}, {3, -kInf}}};
  for (const float temp : {0.0f, 1.0f}) {
    SamplerParams nothing = all;
    nothing.temp = temp;
    const Sample s = Sampler(nothing, 4).sample(row.data(), 0, scratch);
    EXPECT_EQ(s.outcome, SampleOutcome::kNoneLeft);
    EXPECT_EQ(s.token, -1);
  }
}

TEST(Sampler, PenaltiesByHand) {
  // Repeat: divides above zero, multiplies below.
  EXPECT_EQ(greedy({4, 3, 0}, {.repeat_penalty = 2}, {0}), 1);
  EXPECT_EQ(greedy({4, 1.9f, 0}, {.repeat_penalty = 2}, {0}), 0);
  EXPECT_EQ(greedy({-1, -1.5f, -9}, {.repeat_penalty = 2}, {0}), 1);
  EXPECT_EQ(greedy({-1, -2.5f, -9}, {.repeat_penalty = 2}, {0, 0, 0}), 0);  // once, however often seen
  // Frequency counts, presence does not.
  EXPECT_EQ(greedy({4, 2.5f, 0}, {.frequency_penalty = 1}, {0}), 0);
  EXPECT_EQ(greedy({4, 2.5f, 0}, {.frequency_penalty = 1}, {0, 0}), 1);
  EXPECT_EQ(greedy({4, 2.5f, 0}, {.presence_penalty = 1}, {0, 0, 0}), 0);
  EXPECT_EQ(greedy({4, 2.5f, 0}, {.presence_penalty = 2}, {0}), 1);
  EXPECT_EQ(greedy({4, 2.5f, 0}, {.presence_penalty = -2}, {1}), 1);
  // Division comes before subtraction: 4 / 2 - 1 = 1, not (4 - 1) / 2.
  EXPECT_EQ(greedy({4, 1.2f, 0}, {.repeat_penalty = 2, .presence_penalty = 1}, {0}), 1);
  // Bias comes before penalties: (4 + 4) / 2 = 4, not 4 / 2 + 4.
  EXPECT_EQ(greedy({4, 5, 0}, {.repeat_penalty = 2, .logit_bias = {{0, 4}}}, {0}), 1);
  // The window.
  EXPECT_EQ(greedy({4, 3, 0}, {.repeat_penalty = 2, .penalty_last_n = 2}, {0, 2, 2}), 0);
  EXPECT_EQ(greedy({4, 3, 0}, {.repeat_penalty = 2, .penalty_last_n = 3}, {0, 2, 2}), 1);
  EXPECT_EQ(greedy({4, 3, 0}, {.repeat_penalty = 2, .penalty_last_n = 0}, {0, 0}), 0);
  std::vector<int32_t> history(64, 2);
  history[0] = 0;
  EXPECT_EQ(greedy({4, 3, 0}, {.repeat_penalty = 2}, history), 1);
  history.push_back(2);
  EXPECT_EQ(greedy({4, 3, 0}, {.repeat_penalty = 2}, history), 0);
}

TEST(Sampler, PenaltiesComeBeforeTruncations) {
  SamplerParams params = plain();
  params.top_k = 2, params.presence_penalty = 10;
  EXPECT_EQ(left({4, 3, 2, 1}, params), (Set{0, 1}));
  EXPECT_EQ(left({4, 3, 2, 1}, params, {0}), (Set{1, 2}));
  params.top_k = 0, params.min_p = 0.3f;  // ln 0.3 = -1.2
  EXPECT_EQ(left({4, 3, 2, 1}, params, {0}), (Set{1, 2}));
}

TEST(Sampler, TheRowStaysAsItIs) {
  const Row row = {4, 3, 2, 1};
  Row copy = row;
  greedy(copy, {.repeat_penalty = 2, .logit_bias = {{1, 9}}}, {0, 1});
  EXPECT_EQ(copy, row);
}

TEST(Sampler, MarkAndRewind) {
  const SamplerParams params = {.temp = 0, .frequency_penalty = 1, .penalty_last_n = 5};
  std::mt19937 random(3);
  Sampler sampler(params, 8);
  std::vector<int32_t> text;
  SamplerScratch scratch(8);
  for (int round = 0; round < 500; round++) {
    const Sampler::Checkpoint checkpoint = sampler.mark();
    const Sampler before = sampler;
    const int n_wrong = static_cast<int>(random() % (round % 50 == 0 ? Sampler::kMaxRewind + 1 : 9));
    for (int i = 0; i < n_wrong; i++) sampler.accept(static_cast<int32_t>(random() % 8));
    sampler.rewind(checkpoint);
    const int32_t token = static_cast<int32_t>(random() % 8);
    sampler.accept(token);
    text.push_back(token);
    Sampler copy = before;
    copy.accept(token);
    const Row row = random_row(random, 8, 2);
    const int32_t expected = slow_twin(row, params, 0, text);
    ASSERT_EQ(sampler.sample(row.data(), 0, scratch).token, expected) << round;
    ASSERT_EQ(copy.sample(row.data(), 0, scratch).token, expected) << round;
  }
}

TEST(SamplerDeathTest, RewindGoesBackOnly) {
  Sampler sampler({.repeat_penalty = 2}, 8);
  const Sampler::Checkpoint start = sampler.mark();
  for (int i = 0; i <= Sampler::kMaxRewind; i++) sampler.accept(1);
  EXPECT_DEATH(sampler.rewind(start), "n_accepted");
  EXPECT_DEATH(sampler.rewind({1000}), "n_accepted");
  EXPECT_DEATH(sampler.accept(8), "n_vocab");
}

// ---- truncations by hand

Row logs(std::initializer_list<double> p) {
  Row row;
  for (const double x : p) row.push_back(static_cast<float>(std::log(x)));
  return row;
}

TEST(Sampler, TopKByHand) {
  SamplerParams params = plain();
  for (const int off : {0, -1, 4, 5}) {
    params.top_k = off;
    EXPECT_EQ(left({1, 4, 2, 3}, params), (Set{0, 1, 2, 3}));
  }
  params.top_k = 1;
  EXPECT_EQ(left({1, 4, 2, 3}, params), Set{1});
  params.top_k = 3;
  EXPECT_EQ(left({1, 4, 2, 3}, params), (Set{1, 2, 3}));
}

TEST(Sampler, TopPByHand) {
  const Row row = logs({0.1, 0.5, 0.15, 0.25});
  SamplerParams params = plain();
  const auto at = [&](float top_p) {
    params.top_p = top_p;
    return left(row, params);
  };
  EXPECT_EQ(at(0), Set{1});
  EXPECT_EQ(at(0.49f), Set{1});
  EXPECT_EQ(at(0.51f), (Set{1, 3}));
  EXPECT_EQ(at(0.74f), (Set{1, 3}));
  EXPECT_EQ(at(0.76f), (Set{1, 2, 3}));
  EXPECT_EQ(at(0.91f), (Set{0, 1, 2, 3}));
  EXPECT_EQ(at(1), (Set{0, 1, 2, 3}));
  params.top_k = 2;  // renormalised: 2/3 and 1/3
  EXPECT_EQ(at(0.65f), Set{1});
  EXPECT_EQ(at(0.68f), (Set{1, 3}));
}

TEST(Sampler, MinPByHand) {
  const Row row = logs({0.1, 0.5, 0.15, 0.25});
  SamplerParams params = plain();
  for (const int top_k : {0, 3}) {
    params.top_k = top_k;
    const auto at = [&](float min_p) {
      params.min_p = min_p;
      return left(row, params);
    };
    EXPECT_EQ(at(1), Set{1});
    EXPECT_EQ(at(0.51f), Set{1});
    EXPECT_EQ(at(0.49f), (Set{1, 3}));
    EXPECT_EQ(at(0.31f), (Set{1, 3}));
    EXPECT_EQ(at(0.29f), (Set{1, 2, 3}));
    EXPECT_EQ(at(0.19f).size(), top_k == 0 ? 4u : 3u);
  }
  // At temperature 1, whatever the temperature: left() samples at 50.
  params = plain();
  params.min_p = 0.9f;
  EXPECT_EQ(left({0, 0.2f}, params), Set{1});
  // Top-p counts the mass that min-p then takes away.
  params.top_p = 0.74f, params.min_p = 0.29f;
  EXPECT_EQ(left(row, params), (Set{1, 3}));
}

// ---- the slow twin

TEST(Sampler, EqualsTheSlowTwin) {
  std::mt19937 random(11);
  const auto pick = [&](auto... values) {
    const std::vector<float> list = {static_cast<float>(values)...};
    return list[random() % list.size()];
  };
  for (int round = 0; round < 6000; round++) {
    const int n = 1 + static_cast<int>(random() % (round % 10 == 0 ? 3000 : 90));
    Row row = random_row(random, n, pick(0.1, 1, 3, 10, 40));
    if (random() % 2) {
      for (float& l : row) l = std::round(l * 2) / 2;  // many ties
    }
    SamplerParams params;
    params.temp = pick(0, 0.1, 0.8, 1, 3);
    params.top_k = static_cast<int>(pick(0, 0, 1, 2, 5, 40, 400));
    params.top_p = pick(1, 0, 0.3, 0.9, 0.95, 0.999999);
    params.min_p = pick(0, 0, 1e-20, 0.001, 0.05, 0.5, 1);
    params.repeat_penalty = pick(1, 1, 1.1, 0.5, 2);
    params.frequency_penalty = pick(0, 0, 0.25, -1);
    params.presence_penalty = pick(0, 0, 0.5, 3);
    params.penalty_last_n = static_cast<int>(pick(64, 0, 1, 10, 200));
    params.seed = random() * uint64_t{0x100000001};
    for (int i = static_cast<int>(random() % 4); i > 0; i--) {
      params.logit_bias.emplace_back(static_cast<int32_t>(random() % n), pick(1, -2, 5, n > 8 ? -kInf : 0));
    }
    const uint32_t choice = random() % 3;
    Sampler sampler(params, n, choice);
    std::vector<int32_t> history;
    for (int i = static_cast<int>(random() % 300); i > 0; i--) history.push_back(static_cast<int32_t>(random() % n));
    for (const int32_t token : history) sampler.accept(token);
    for (int64_t position : {0, 1, 77777}) {
      ASSERT_EQ(token_of(sampler, row, position), slow_twin(row, params, position, history, choice))
          << "round " << round << " n " << n << " k " << params.top_k << " p " << params.top_p << " m " << params.min_p;
    }
  }
}

TEST(Sampler, EqualsTheSlowTwinAtFullSize) {
  const int n = 248'320;
  std::mt19937 random(12);
  SamplerScratch scratch(n);
  int64_t position = 0;
  for (const float sigma : {0.0f, 1.0f, 3.0f}) {
    const Row row = random_row(random, n, sigma);
    for (const int top_k : {0, 40, 5000}) {
      for (const float top_p : {1.0f, 0.95f}) {
        for (const float min_p : {0.0f, 0.05f}) {
          SamplerParams params = {.temp = 0.8f, .top_k = top_k, .top_p = top_p, .min_p = min_p, .seed = 5};
          const Sampler sampler(params, n);
          position++;
          ASSERT_EQ(choice_of(sampler, row, position, scratch).token, slow_twin(row, params, position, {}))
              << sigma << " k " << top_k << " p " << top_p << " m " << min_p;
        }
      }
    }
  }
}

TEST(Sampler, AScratchMayBeLargerAndUsed) {
  std::mt19937 random(13);
  SamplerScratch shared(500);
  for (int round = 0; round < 200; round++) {
    const Row row = random_row(random, 100, 2);
    const SamplerParams params = {.top_k = round % 2 ? 0 : 20, .presence_penalty = 1.0f, .logit_bias = {{3, 1}}};
    Sampler sampler(params, 100);
    sampler.accept(round % 100);
    EXPECT_EQ(choice_of(sampler, row, round, shared).token, slow_twin(row, params, round, {round % 100}));
  }
}

// ---- laws

TEST(SamplerLaw, IsTheSoftmax) {
  std::mt19937 random(21);
  for (const int n : {8, 13, 32}) {
    for (const float temp : {0.7f, 1.0f, 1.6f}) {
      const Row row = random_row(random, n, 1.5f);
      SamplerParams params = plain(random());
      params.temp = temp;
      const Sampler sampler(params, n);
      SamplerScratch scratch(n);
      std::vector<int64_t> seen(n);
      for (int64_t p = 0; p < 200'000; p++) seen[sampler.sample(row.data(), p, scratch).token]++;
      expect_law(seen, softmax(row, temp));
    }
  }
}

TEST(SamplerLaw, HoldsOverSeedsAndOverChoices) {
  std::mt19937 random(22);
  const int n = 10;
  const Row row = random_row(random, n, 1);
  std::vector<int64_t> over_seeds(n), over_choices(n);
  for (int i = 0; i < 200'000; i++) {
    over_seeds[slow_twin(row, plain(i), 3, {})]++;
    over_choices[slow_twin(row, plain(9), 3, {}, i)]++;
  }
  expect_law(over_seeds, softmax(row, 1));
  expect_law(over_choices, softmax(row, 1));
}

TEST(SamplerLaw, OfATruncatedRow) {
  const Row row = logs({0.05, 0.4, 0.1, 0.2, 0.25});
  SamplerParams params = plain(4);
  params.top_k = 4, params.top_p = 0.85f, params.temp = 2;  // leaves 1, 4, 3 of 0.95; then temperature 2: roots
  const Sampler sampler(params, 5);
  SamplerScratch scratch(5);
  std::vector<int64_t> seen(5);
  for (int64_t p = 0; p < 200'000; p++) seen[sampler.sample(row.data(), p, scratch).token]++;
  const double a = std::sqrt(0.4), b = std::sqrt(0.2), c = std::sqrt(0.25), total = a + b + c;
  EXPECT_EQ(seen[0] + seen[2], 0);
  expect_law({seen[1], seen[3], seen[4]}, {a / total, b / total, c / total});
}

// The noise belongs to the token: whoever else is in the list, the same token wins as long as it is there.
TEST(SamplerLaw, NoiseDoesNotDependOnTheList) {
  std::mt19937 random(23);
  const int n = 64;
  int removed_others = 0;
  for (int round = 0; round < 3000; round++) {
    const Row row = random_row(random, n, 1);
    const int32_t winner = token_of(Sampler(plain(7), n), row, round);
    SamplerParams banned = plain(7), k = plain(7), p = plain(7);
    for (int i = 0; i < 20; i++) {
      const int32_t other = static_cast<int32_t>(random() % n);
      if (other != winner) banned.logit_bias.emplace_back(other, -kInf);
    }
    EXPECT_EQ(token_of(Sampler(banned, n), row, round), winner);
    k.top_k = 32, p.top_p = 0.9f;
    const int rank = static_cast<int>(std::count_if(row.begin(), row.end(), [&](float l) { return l > row[winner]; }));
    if (rank < 32) {
      removed_others++;
      EXPECT_EQ(token_of(Sampler(k, n), row, round), winner);
    }
    if (rank < 10) {
      EXPECT_EQ(token_of(Sampler(p, n), row, round), winner);
    }
  }
  EXPECT_GT(removed_others, 1500);
}

// ---- speculation

// A Markov chain over V tokens stands for a model: the row after a token is the token's.
struct Chain {
  int n_vocab;
  std::vector<Row> rows;

  Chain(int n, uint32_t seed) : n_vocab(n) {
    std::mt19937 random(seed);
    for (int i = 0; i < n; i++) rows.push_back(random_row(random, n, 1.5f));
  }
};

using Text = std::vector<int32_t>;

Text run_plain(const Chain& chain, Sampler sampler, SamplerScratch& scratch, int n_tokens) {
  Text text;
  int32_t last = 0;
  sampler.accept(last);
  while (static_cast<int>(text.size()) < n_tokens) {
    last = sampler.sample(chain.rows[last].data(), static_cast<int64_t>(text.size()), scratch).token;
    sampler.accept(last);
    text.push_back(last);
  }
  return text;
}

// Drafts k tokens with draft(last token, position), verifies their rows in order, and emits what the target samples, up
// to and including the first that differs from its draft.
template <class Draft>
Text run_speculative(const Chain& chain, Sampler sampler, SamplerScratch& scratch, int n_tokens, int k, Draft draft,
                     int64_t* n_accepted = nullptr) {
  Text text;
  int32_t last = 0;
  sampler.accept(last);
  while (static_cast<int>(text.size()) < n_tokens) {
    Text drafts;
    int32_t guess = last;
    for (int i = 0; i < k; i++) drafts.push_back(guess = draft(guess, static_cast<int64_t>(text.size()) + i));
    for (int row = 0; row <= k; row++) {
      last = sampler.sample(chain.rows[last].data(), static_cast<int64_t>(text.size()), scratch).token;
      sampler.accept(last);
      text.push_back(last);
      if (row == k || last != drafts[row]) break;
      if (n_accepted != nullptr) ++*n_accepted;
    }
  }
  text.resize(n_tokens);
  return text;
}

TEST(SamplerSpeculation, TheTextIsTheSameTokenForToken) {
  const Chain chain(12, 31);
  SamplerScratch scratch(12);
  std::mt19937 random(32);
  const std::vector<SamplerParams> settings = {
      {.temp = 0},
      {.temp = 0, .repeat_penalty = 1.3f, .frequency_penalty = 0.2f, .penalty_last_n = 7},
      {.temp = 1},
      {.temp = 1.5f, .top_k = 5, .frequency_penalty = 0.3f, .presence_penalty = 0.2f, .penalty_last_n = 9},
      {.temp = 0.8f, .top_k = 0, .repeat_penalty = 1.2f}};
  for (SamplerParams params : settings) {
    for (uint64_t seed = 0; seed < 5; seed++) {
      params.seed = seed;
      const Sampler sampler(params, 12);
      const Text expected = run_plain(chain, sampler, scratch, 300);
      const auto arg_max = [&](int32_t last, int64_t) { return greedy(chain.rows[last]); };
      const auto any = [&](int32_t, int64_t) { return static_cast<int32_t>(random() % 12); };
      const auto right = [&](int32_t, int64_t position) { return position < 300 ? expected[position] : 0; };
      const auto wrong = [&](int32_t, int64_t position) { return position < 300 ? (expected[position] + 1) % 12 : 0; };
      for (int k = 0; k <= 8; k++) {
        EXPECT_EQ(run_speculative(chain, sampler, scratch, 300, k, arg_max), expected);
        EXPECT_EQ(run_speculative(chain, sampler, scratch, 300, k, any), expected);
        int64_t all = 0, none = 0;
        EXPECT_EQ(run_speculative(chain, sampler, scratch, 300, k, right, &all), expected);
        EXPECT_EQ(run_speculative(chain, sampler, scratch, 300, k, wrong, &none), expected);
        EXPECT_GE(all, 300 * k / (k + 1));
        EXPECT_LE(none, 8);
      }
    }
  }
}

TEST(SamplerSpeculation, JointLawOfThreeTokens) {
  const int n = 6;
  const Chain chain(n, 33);
  SamplerScratch scratch(n);
  std::vector<double> p(n * n * n);
  const std::vector<double> first = softmax(chain.rows[0], 1.2);
  for (int a = 0; a < n; a++) {
    const std::vector<double> second = softmax(chain.rows[a], 1.2);
    for (int b = 0; b < n; b++) {
      const std::vector<double> third = softmax(chain.rows[b], 1.2);
      for (int c = 0; c < n; c++) p[(a * n + b) * n + c] = first[a] * second[b] * third[c];
    }
  }
  std::vector<int32_t> best;
  for (const Row& row : chain.rows) best.push_back(greedy(row));
  std::vector<int64_t> plain_seen(p.size()), seen(p.size());
  int64_t differing = 0, accepted = 0;
  for (int i = 0; i < 200'000; i++) {
    SamplerParams params = plain(i);
    params.temp = 1.2f;
    const Sampler sampler(params, n);
    const Text a = run_plain(chain, sampler, scratch, 3);
    const Text b =
        run_speculative(chain, sampler, scratch, 3, 2, [&](int32_t last, int64_t) { return best[last]; }, &accepted);
    differing += a != b;
    plain_seen[(a[0] * n + a[1]) * n + a[2]]++;
    seen[(b[0] * n + b[1]) * n + b[2]]++;
  }
  EXPECT_EQ(differing, 0);
  EXPECT_GT(accepted, 50'000);
  expect_law(plain_seen, p);
  expect_law(seen, p);
}

// ---- draft confidence

TEST(TopProbability, ByHand) {
  const Row row = logs({0.1, 0.5, 0.15, 0.25});
  EXPECT_EQ(top_probability(row.data(), 4).id, 1);
  EXPECT_NEAR(top_probability(row.data(), 4).p, 0.5, 1e-6);
  const Row tie = {1, 2, 2};
  EXPECT_EQ(top_probability(tie.data(), 3).id, 1);
  const Row one = {-5};
  EXPECT_EQ(top_probability(one.data(), 1).p, 1);
  const Row forced = {1, kInf, 2}, none = {-kInf, -kInf}, nan = {1, kNan};
  EXPECT_EQ(top_probability(forced.data(), 3).p, 1);
  EXPECT_EQ(top_probability(none.data(), 2).id, -1);
  EXPECT_EQ(top_probability(nan.data(), 2).id, -1);
}

TEST(TopProbability, EqualsSoftmaxAtAnySize) {
  std::mt19937 random(41);
  for (const int n : {2, 10, 15, 16, 17, 1000, 248'320}) {
    for (const float sigma : {0.0f, 1.0f, 4.0f}) {
      const Row row = random_row(random, n, sigma);
      const TopToken top = top_probability(row.data(), n);
      EXPECT_EQ(top.id, std::max_element(row.begin(), row.end()) - row.begin());
      double total = 0;
      for (const float l : row) total += std::exp(static_cast<double>(l) - row[top.id]);
      EXPECT_NEAR(top.p * total, 1, 1e-6);
    }
  }
}

// A sum of integers has no order: any permutation gives the same bits.
TEST(TopProbability, DoesNotDependOnTheOrder) {
  std::mt19937 random(42);
  Row row = random_row(random, 1000, 2);
  const float p = top_probability(row.data(), 1000).p;
  for (int i = 0; i < 20; i++) {
    std::shuffle(row.begin(), row.end(), random);
    EXPECT_EQ(top_probability(row.data(), 1000).p, p);
  }
}

// A mask is as good as banning every other token by a bias.
TEST(Sampler, AMaskLeavesWhatItAllows) {
  constexpr int32_t kTokens = 77;
  std::mt19937 random(9);
  std::normal_distribution<float> normal(0, 3);
  SamplerScratch scratch(kTokens);
  for (int trial = 0; trial < 200; trial++) {
    std::vector<float> logits(kTokens);
    for (float& l : logits) l = normal(random);
    SamplerParams p;
    p.temp = trial % 3 == 0 ? 0 : 1.5f;
    p.top_k = trial % 2 * 5;
    p.seed = static_cast<uint64_t>(trial);
    std::vector<uint32_t> allowed((kTokens + 31) / 32);
    SamplerParams biased = p;
    for (int32_t id = 0; id < kTokens; id++) {
      if (random() % 4 == 0) {
        allowed[static_cast<size_t>(id / 32)] |= 1u << (id % 32);
      } else {
        biased.logit_bias.emplace_back(id, -std::numeric_limits<float>::infinity());
      }
    }
    const Sample a = Sampler(p, kTokens).sample(logits.data(), trial, scratch, {}, allowed),
                 b = Sampler(biased, kTokens).sample(logits.data(), trial, scratch);
    ASSERT_EQ(a.token, b.token) << trial;
    ASSERT_EQ(a.outcome, b.outcome);
  }
  const std::vector<uint32_t> none((kTokens + 31) / 32);
  const std::vector<float> logits(kTokens);
  EXPECT_EQ(Sampler(SamplerParams(), kTokens).sample(logits.data(), 0, scratch, {}, none).outcome,
            SampleOutcome::kNoneLeft);
}

}  // namespace
}  // namespace nextn
