// A pass over a few layers stands for all of them where a whole one is slow: as many as have the whole model's mix of
// kinds and too many bytes to stay in a cache. The rows have different tokens, because a mixture of experts sends equal
// ones to equal experts, and then more rows would seem to cost nothing. Every number of rows is measured in turn,
// several times over, and the medians count, so that a moment in which the machine was busy is shared by all of them or
// left out.
#include "engine/calibration.h"

#include <algorithm>

#include "base/clock.h"
#include "draft/model_drafter.h"
#include "draft/mtp_drafter.h"
#include "engine/cost_cache.h"
#include "engine/draft_model.h"

namespace nextn {

namespace {

constexpr uint64_t kEnoughBytes = 256u << 20;  // of the measured layers: far beyond any second-level cache
constexpr double kBudgetMs = 1500;             // measuring stops after the round that reaches it
constexpr int kMinRounds = 3, kMaxRounds = 15;
constexpr int kMeasuredDrafts = 3;
constexpr DraftMs kNobody = {1, 1};  // of drafts that nobody makes

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Layers that are measured, and how many of their like there are for each of them.
struct Stretch {
  LayerRange layers;
  double scale;
};

// Dense layers before the first one with experts, all of them; then the fewest layers that have the mix of kinds of the
// others and of whose weights a row reads kEnoughBytes.
std::vector<Stretch> layers_to_measure(const Model& model, const StateShape& shape) {
  const int n_layers = static_cast<int>(shape.layers.size()), dense = model.info().n_leading_dense;
  const uint64_t lm_head = model.weight_bytes()[static_cast<size_t>(WeightRole::kLmHead)],
                 bytes = (model.step_bytes() - lm_head) / static_cast<uint64_t>(n_layers);
  const std::span<const LayerKind> others = std::span(shape.layers).subspan(static_cast<size_t>(dense));
  const int n = static_cast<int>(others.size());
  const int n_attention = static_cast<int>(std::ranges::count(others, LayerKind::kAttention));
  int n_measured = 0, seen = 0;
  while (n_measured < n) {
    seen += others[static_cast<size_t>(n_measured++)] == LayerKind::kAttention;
    if (seen * n == n_attention * n_measured && bytes * static_cast<uint64_t>(n_measured) >= kEnoughBytes) break;
  }
  std::vector<Stretch> stretches = {{{dense, dense + n_measured}, static_cast<double>(n) / n_measured}};
  if (dense > 0) stretches.push_back({{0, dense}, 1});
  return stretches;
}

// 1, 2, 3, 4, 6, 8, 12, 16 .. and the last, and the rows with which the second to fourth pass over the weights begin,
// which are a step up: what lies between is interpolated.
std::vector<int> row_counts(int last) {
  std::vector<int> rows;
  for (int n = 1; n < last; n += n < 4 ? 1 : 1 << (std::bit_width(static_cast<unsigned>(n)) - 2)) {
    rows.push_back(n);
    if (n % kMaxMatmulRows == 0 && n <= 3 * kMaxMatmulRows && n + 1 < last) rows.push_back(n + 1);
  }
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
        stretches_(layers_to_measure(engine.model(), engine.state_shape())) {
    const int64_t n_rows = engine.logit_rows();
    for (int64_t i = 0; i < n_rows; i++) {
      tokens_.push_back(static_cast<int32_t>(engine.model().info().n_vocab * (2 * i + 1) / (2 * n_rows)));
    }
  }

  // One sure row and drafts, as a cycle has them; further rows, which are those of other sequences, as sure ones.
  double step(int rows) {
    const int n_draft = std::min(rows - 1, engine_.options().max_draft);
    const SequenceRows step = {&session_.state(), tokens_.data(), rows - n_draft, n_draft};
    double ms = 0;
    TensorView hidden;
    for (const Stretch& s : stretches_) {
      const auto start = Clock::now();
      hidden = engine_.model().forward(engine_.ctx(), {&step, 1}, s.layers);
      ms += ms_since(start) * s.scale;
      session_.state().restore(0);
    }
    const auto start = Clock::now();
    const TensorView logits = engine_.logits(rows);
    engine_.model().logits(engine_.ctx(), logits, hidden);
    for (int i = 0; i < rows; i++) sampler_.sample(logits.row(i), i, engine_.sampler_scratch());
    return ms + ms_since(start);
  }

  DraftMs head_drafts() {
    session_.head_state()->clear();
    MtpDrafter drafter(engine_.model(), *session_.head_state(), engine_.draft_head(), engine_.options().max_draft, 0);
    return drafts(drafter);
  }

  DraftMs model_drafts() {
    session_.draft_sequence()->clear();
    ModelDrafter drafter(engine_.draft_model()->drafting(), *session_.draft_sequence(), engine_.model().info().n_vocab,
                         0);
    return drafts(drafter);
  }

 private:
  // The first draft and the mean of those after it.
  DraftMs drafts(Drafter& drafter) {
    Draft draft;
    const auto start = Clock::now();
    drafter.begin({tokens_.data(), 1});
    drafter.next(engine_.ctx(), &draft);
    const double first = ms_since(start);
    const int n = std::min(kMeasuredDrafts, engine_.options().max_draft);
    for (int i = 1; i < n; i++) drafter.next(engine_.ctx(), &draft);
    return {first, n == 1 ? first : (ms_since(start) - first) / (n - 1)};
  }

  Engine& engine_;
  Session& session_;
  Sampler sampler_;
  std::vector<int32_t> tokens_;  // one for each row
  std::vector<Stretch> stretches_;
};

StepCosts measure(Engine& engine, Session& session) {
  session.clear();
  Meter meter(engine, session);
  const std::vector<int> rows = row_counts(engine.logit_rows());
  std::vector<std::vector<double>> steps(rows.size());
  // Milliseconds of the drafts of one kind, round by round.
  struct {
    std::vector<double> first, next;

    void add(DraftMs ms) {
      first.push_back(ms.first);
      next.push_back(ms.next);
    }
    DraftMs result() const { return first.empty() ? kNobody : DraftMs{median(first), median(next)}; }
  } head, model;
  meter.step(rows.back());  // warm
  const auto start = Clock::now();
  for (int round = 0; round < kMaxRounds && (round < kMinRounds || ms_since(start) < kBudgetMs); round++) {
    for (size_t i = 0; i < rows.size(); i++) steps[i].push_back(meter.step(rows[i]));
    if (session.head_state() != nullptr) head.add(meter.head_drafts());
    if (session.draft_sequence() != nullptr) model.add(meter.model_drafts());
  }
  session.clear();

  std::vector<double> measured, verify;
  for (const std::vector<double>& ms : steps) measured.push_back(median(ms));
  for (int n = 1; n <= engine.logit_rows(); n++) verify.push_back(interpolate(rows, measured, n));
  return {std::move(verify), head.result(), model.result()};
}

}  // namespace

double calibrate(Engine& engine, Session& session) {
  if (engine.options().max_draft == 0) return 0;
  auto start = Clock::now();
  const CostCache cache = CostCache::of(engine);
  if (const std::optional<StepCosts> known = cache.load()) {
    engine.costs() = *known;
  } else {
    engine.pack();
    start = Clock::now();
    engine.costs() = measure(engine, session);
    cache.store(engine.costs());
  }
  return ms_since(start);
}

}  // namespace nextn
