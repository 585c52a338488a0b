#include "draft/mtp_drafter.h"

#include "base/error.h"
#include "ops/elementwise.h"
#include "sampling/sampler.h"

namespace nextn {

namespace {

HeadRows backlog_rows(HeadState& state, std::span<const int32_t> tokens, int n) noexcept {
  NEXTN_CHECK(n <= state.backlog() && state.length() + n <= static_cast<int64_t>(tokens.size()));
  return {&state, tokens.data() + state.length(), state.backlog_hidden(), state.length(), n};
}

}  // namespace

int MtpDrafter::draft(Ctx& ctx, std::span<const int32_t> tokens, int limit, int32_t* drafts) noexcept {
  if (limit == 0) return 0;
  HeadRows rows = backlog_rows(state_, tokens, state_.backlog());
  int64_t position = rows.position + rows.n;
  TensorView hidden = model_.head_forward(ctx, {&rows, 1}, HeadOutput::kLast);
  state_.consume(rows.n);
  for (int n = 0;;) {
    model_.head_logits(ctx, logits_, hidden);
    int64_t best;
    if (p_min_ > 0) {
      const TopToken top = top_probability(logits_.data, logits_.cols);
      best = top.p < p_min_ ? -1 : top.id;
    } else {
      ops::argmax(ctx, &best, logits_);
    }
    if (best < 0) return n;  // not sure enough, or a NaN: the trunk will say
    drafts[n++] = static_cast<int32_t>(best);
    if (n == limit) return n;
    // The row lies in the buffer that the pass will fill; it is read before that.
    rows = {&state_, &drafts[n - 1], hidden.data, position++, 1};
    hidden = model_.head_forward(ctx, {&rows, 1}, HeadOutput::kLast);
  }
}

void catch_up_head(Ctx& ctx, Model& model, HeadState& state, std::span<const int32_t> tokens, int n) noexcept {
  const HeadRows rows = backlog_rows(state, tokens, n);
  model.head_forward(ctx, {&rows, 1}, HeadOutput::kNone);
  state.consume(n);
}

}  // namespace nextn
