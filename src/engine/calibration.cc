// A pass over a few layers stands for all of them where a whole one is slow: as many as have the whole model's mix of
// kinds and too many bytes to stay in a cache. Every number of rows is measured in turn, several times over, and the
// medians count, so that a moment in which the machine was busy is shared by all of them or left out.
#include "engine/calibration.h"

#include <algorithm>
#include <chrono>

#include "draft/mtp_drafter.h"
#include "engine/cost_cache.h"

namespace nextn {

namespace {

constexpr uint64_t kEnoughBytes = 256u << 20;  // of the measured layers: far beyond any second-level cache
constexpr double kBudgetMs = 1500;             // measuring stops after the round that reaches it
constexpr int kMinRounds = 3, kMaxRounds = 15;
constexpr int kMeasuredDrafts = 3;
constexpr double kNoHeadMs = 1;  // of drafts that nobody makes

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// The fewest first layers that have the mix of kinds of all of them and kEnoughBytes.
int layers_to_measure(const Model& model, const StateShape& shape) {
  const int n = static_cast<int>(shape.layers.size());
  const uint64_t bytes = model.weight_bytes()[static_cast<size_t>(WeightRole::kTrunk)];
  const int n_attention = static_cast<int>(std::ranges::count(shape.layers, LayerKind::kAttention));
  for (int i = 1, seen = 0; i < n; i++) {
    seen += shape.layers[static_cast<size_t>(i - 1)] == LayerKind::kAttention;
    if (seen * n == n_attention * i && bytes * static_cast<uint64_t>(i) / static_cast<uint64_t>(n) >= kEnoughBytes) {
      return i;
    }
  }
  return n;
}

// 1, 2, 3, 4, 6, 8, 12, 16 .. and the last: what lies between is interpolated.
std::vector<int> row_counts(int last) {
  std::vector<int> rows;
  for (int n = 1; n < last; n += n < 4 ? 1 : 1 << (std::bit_width(static_cast<unsigned>(n)) - 2)) rows.push_back(n);
  rows.push_back(last);
  return rows;
}

double interpolate(const std::vector<int>& x, const std::vector<double>& y, int at) {
  const size_t i = static_cast<size_t>(std::ranges::lower_bound(x, at) - x.begin());
  if (x[i] == at) return y[i];
  return y[i - 1] + (y[i] - y[i - 1]) * (at - x[i - 1]) / (x[i] - x[i - 1]);
}

class Meter {
 public:
  Meter(Engine& engine, Session& session)
      : engine_(engine),
        session_(session),
        sampler_(SamplerParams{.temp = 0}, static_cast<int32_t>(engine.model().info().n_vocab)),
        tokens_(static_cast<size_t>(engine.options().max_draft) + 1),
        n_layers_(static_cast<int>(engine.model().info().n_layers)),
        n_measured_(layers_to_measure(engine.model(), engine.state_shape())) {}

  // One sure row and drafts, as a cycle has them.
  double step(int rows) {
    const SequenceRows step = {&session_.state(), tokens_.data(), 1, rows - 1};
    const auto start = Clock::now();
    const TensorView hidden = engine_.model().forward(engine_.ctx(), {&step, 1}, n_measured_);
    const double layers_ms = ms_since(start);
    const TensorView logits = engine_.logits(rows);
    engine_.model().logits(engine_.ctx(), logits, hidden);
    for (int i = 0; i < rows; i++) sampler_.sample(logits.row(i), i, engine_.sampler_scratch());
    const double rest_ms = ms_since(start) - layers_ms;
    session_.state().restore(0);
    return layers_ms * n_layers_ / n_measured_ + rest_ms;
  }

  // The first draft and the mean of those after it.
  std::pair<double, double> drafts() {
    session_.head_state()->clear();
    MtpDrafter drafter(engine_.model(), *session_.head_state(), engine_.draft_head(), 0);
    Draft draft;
    const auto start = Clock::now();
    drafter.begin({tokens_.data(), 1});
    drafter.next(engine_.ctx(), &draft);
    const double first = ms_since(start);
    for (int i = 1; i < kMeasuredDrafts; i++) drafter.next(engine_.ctx(), &draft);
    return {first, (ms_since(start) - first) / (kMeasuredDrafts - 1)};
  }

 private:
  Engine& engine_;
  Session& session_;
  Sampler sampler_;
  std::vector<int32_t> tokens_;  // zeros
  int n_layers_, n_measured_;
};

StepCosts measure(Engine& engine, Session& session) {
  const int max_draft = engine.options().max_draft;
  session.clear();
  Meter meter(engine, session);
  const std::vector<int> rows = row_counts(1 + max_draft);
  std::vector<std::vector<double>> steps(rows.size());
  std::vector<double> first_drafts, next_drafts;
  meter.step(1);  // warm
  const auto start = Clock::now();
  for (int round = 0; round < kMaxRounds && (round < kMinRounds || ms_since(start) < kBudgetMs); round++) {
    for (size_t i = 0; i < rows.size(); i++) steps[i].push_back(meter.step(rows[i]));
    if (session.head_state() == nullptr) continue;
    const auto [first, next] = meter.drafts();
    first_drafts.push_back(first);
    next_drafts.push_back(next);
  }
  session.clear();

  std::vector<double> measured, verify;
  for (const std::vector<double>& ms : steps) measured.push_back(median(ms));
  for (int n = 1; n <= 1 + max_draft; n++) verify.push_back(interpolate(rows, measured, n));
  if (first_drafts.empty()) return {std::move(verify), kNoHeadMs, kNoHeadMs};
  return {std::move(verify), median(first_drafts), median(next_drafts)};
}

}  // namespace

double calibrate(Engine& engine, Session& session) {
  if (engine.options().max_draft == 0) return 0;
  const auto start = Clock::now();
  const CostCache cache = CostCache::of(engine);
  if (const std::optional<StepCosts> known = cache.load()) {
    engine.costs() = *known;
  } else {
    engine.costs() = measure(engine, session);
    cache.store(engine.costs());
  }
  return ms_since(start);
}

}  // namespace nextn
