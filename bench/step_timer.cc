#include "step_timer.h"

#include <cstring>

#include "base/clock.h"
#include "base/error.h"

namespace nextn {

namespace {

template <class Body>
double ms_of(const Body& body) noexcept {
  const auto start = Clock::now();
  body();
  return ms_since(start);
}

// Small numbers at every cache precision; what matters is that the pages are there.
void fill(const KvView& kv, int64_t length) noexcept {
  for_kv_runs(kv, length, [&](int64_t position, int64_t head, int64_t n) {
    std::memset(kv.key(position, head), 0x2c, static_cast<size_t>(n * kv.k_stride));
    std::memset(kv.value(position, head), 0x2c, static_cast<size_t>(n * kv.v_stride));
  });
}

}  // namespace

StepTimer::StepTimer(Engine& engine, int64_t position)
    : engine_(engine), position_(position), state_(engine.state_shape()) {
  const std::vector<LayerKind>& kinds = state_.shape().layers;
  for (int il = 0; il < static_cast<int>(kinds.size()); il++) {
    if (kinds[static_cast<size_t>(il)] == LayerKind::kAttention) fill(state_.kv(il), position);
  }
  state_.clear();
  if (engine.model().info().has_head) {
    head_.emplace(engine.state_shape(), engine.options().head_k_type, engine.options().head_v_type,
                  engine.backlog_limit());
    fill(head_->kv(), position);
  }
  const int n = engine.options().row_limit;
  tokens_.resize(static_cast<size_t>(n));
  for (int i = 0; i < n; i++) tokens_[static_cast<size_t>(i)] = static_cast<int32_t>(i % engine.model().info().n_vocab);
  trunk(1, 0);  // for the hidden rows that the head reads
}

double StepTimer::trunk(int n_sure, int n_draft) noexcept {
  state_.restore(position_);
  const SequenceRows rows = {&state_, tokens_.data(), n_sure, n_draft};
  const double ms = ms_of([&] { hidden_ = engine_.model().forward(engine_.ctx(), {&rows, 1}); });
  state_.commit(0);
  return ms;
}

double StepTimer::logits(int n) noexcept {
  NEXTN_CHECK(n <= hidden_.rows);
  return ms_of(
      [&] { engine_.model().logits(engine_.ctx(), engine_.logits(n), hidden_.rows_from(hidden_.rows - n, n)); });
}

double StepTimer::head() noexcept {
  const HeadRows rows = {&*head_, tokens_.data(), hidden_.data, position_, 1};
  return ms_of([&] { head_hidden_ = engine_.model().head_forward(engine_.ctx(), {&rows, 1}, HeadOutput::kLast); });
}

double StepTimer::head_logits() noexcept {
  DraftTrace trace(engine_.model().info().n_embd, 1);
  const DraftHead::Query query = {&trace, 0, {}};
  TopToken top;
  return ms_of([&] { engine_.draft_head().best(engine_.ctx(), head_hidden_, {&query, 1}, &top); });
}

double StepTimer::head_prefill(int n) noexcept {
  NEXTN_CHECK(n <= hidden_.rows);
  const HeadRows rows = {&*head_, tokens_.data(), hidden_.data, position_, n};
  return ms_of([&] { engine_.model().head_forward(engine_.ctx(), {&rows, 1}, HeadOutput::kNone); });
}

}  // namespace nextn
