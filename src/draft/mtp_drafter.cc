#include "draft/mtp_drafter.h"

#include "base/error.h"

namespace nextn {

namespace {

HeadRows backlog_rows(HeadState& state, std::span<const int32_t> tokens, int n) noexcept {
  NEXTN_CHECK(n <= state.backlog() && state.length() + n <= static_cast<int64_t>(tokens.size()));
  return {&state, tokens.data() + state.length(), state.backlog_hidden(), state.length(), n};
}

}  // namespace

void MtpDrafter::begin(std::span<const int32_t> tokens) noexcept {
  if (!head_.has_text_of(this)) {
    head_.begin_text(this);
    n_known_ = 0;
  }
  head_.add_text(tokens.subspan(n_known_));
  n_known_ = tokens.size();
  tokens_ = tokens;
  n_ = 0;
}

bool MtpDrafter::next(Ctx& ctx, Draft* draft) noexcept {
  if (n_ == 0) {
    const HeadRows rows = backlog_rows(state_, tokens_, state_.backlog());
    hidden_ = model_.head_forward(ctx, {&rows, 1}, HeadOutput::kLast);
    state_.consume(rows.n);
    position_ = rows.position + rows.n;
  } else {
    // The row lies in the buffer that the pass will fill; it is read before that.
    const HeadRows row = {&state_, &last_, hidden_.data, position_++, 1};
    hidden_ = model_.head_forward(ctx, {&row, 1}, HeadOutput::kLast);
  }
  const TopToken top = head_.best(ctx, hidden_, n_++);
  *draft = {top.p < p_min_ ? -1 : top.id, top.p};
  last_ = draft->token;
  return draft->token >= 0;  // else not sure enough, or a NaN: the trunk will say
}

void catch_up_head(Ctx& ctx, Model& model, HeadState& state, std::span<const int32_t> tokens, int n) noexcept {
  const HeadRows rows = backlog_rows(state, tokens, n);
  model.head_forward(ctx, {&rows, 1}, HeadOutput::kNone);
  state.consume(n);
}

}  // namespace nextn
