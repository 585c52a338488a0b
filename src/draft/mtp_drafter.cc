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
  tokens_ = tokens;
  n_ = 0;
}

// The head knows one text at a time.
void MtpDrafter::tell_text() noexcept {
  if (!head_.has_text_of(this)) {
    head_.begin_text(this);
    n_known_ = 0;
  }
  head_.add_text(tokens_.subspan(n_known_));
  n_known_ = tokens_.size();
}

// The row of a further draft lies in the buffer that the pass will fill; it is read before that.
HeadRows MtpDrafter::rows() noexcept {
  if (n_ == 0) return backlog_rows(state_, tokens_, state_.backlog());
  return {&state_, &last_, hidden_.data, position_, 1};
}

bool MtpDrafter::next(Ctx& ctx, Draft* draft) noexcept {
  MtpDrafter* const alone[] = {this};
  next(ctx, alone, draft);
  return draft->token >= 0;
}

void MtpDrafter::next(Ctx& ctx, std::span<MtpDrafter* const> drafters, Draft* drafts) noexcept {
  const size_t n = drafters.size();
  NEXTN_CHECK(n > 0 && n <= kMostAtOnce);
  HeadRows rows[kMostAtOnce];
  DraftHead::Query queries[kMostAtOnce];
  TopToken top[kMostAtOnce];
  for (size_t i = 0; i < n; i++) {
    MtpDrafter& d = *drafters[i];
    rows[i] = d.rows();
    queries[i] = {&d.trace_, d.n_, {}};
    if (d.filter_ != nullptr) queries[i].allowed = d.filter_->allowed_in_draft();
  }
  MtpDrafter& any = *drafters.front();
  const TensorView hidden = any.model_.head_forward(ctx, {rows, n}, HeadOutput::kLast);
  if (any.head_.needs_text()) {
    for (size_t i = 0; i < n; i++) {
      drafters[i]->tell_text();
      any.head_.best(ctx, hidden.rows_from(static_cast<int64_t>(i), 1), {queries + i, 1}, top + i);
    }
  } else {
    any.head_.best(ctx, hidden, {queries, n}, top);
  }
  for (size_t i = 0; i < n; i++) {
    MtpDrafter& d = *drafters[i];
    if (d.n_++ == 0) d.state_.consume(rows[i].n);
    d.position_ = rows[i].position + rows[i].n;
    d.hidden_ = hidden.rows_from(static_cast<int64_t>(i), 1);
    d.last_ = top[i].p < d.p_min_ ? -1 : top[i].id;  // not sure enough, or a NaN: the trunk will say
    drafts[i] = {d.last_, top[i].p};
  }
}

void catch_up_head(Ctx& ctx, Model& model, HeadState& state, std::span<const int32_t> tokens, int n) noexcept {
  const HeadRows rows = backlog_rows(state, tokens, n);
  model.head_forward(ctx, {&rows, 1}, HeadOutput::kNone);
  state.consume(n);
}

}  // namespace nextn
