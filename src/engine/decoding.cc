#include "engine/decoding.h"

#include <algorithm>
#include <array>

#include "base/clock.h"
#include "base/error.h"
#include "engine/draft_model.h"

namespace nextn {

namespace {

// A drafter of one sequence has every pass to itself.
constexpr std::array<int, kMaxDraftLimit> kAlone = [] {
  std::array<int, kMaxDraftLimit> ones;
  ones.fill(1);
  return ones;
}();

}  // namespace

Decoding::Decoding(Session& session, std::span<const int32_t> prompt, const GenerateParams& params)
    : s_(session),
      engine_(session.engine_),
      prompt_(prompt),
      params_(params),
      sampler_(params.sampling, static_cast<int32_t>(engine_.model().info().n_vocab), params.choice),
      decoder_(engine_.tokenizer()),
      matcher_(params.stops),
      sources_(params.adaptive ? &engine_.costs() : nullptr) {
  check_sampler_params(params.sampling, static_cast<int32_t>(engine_.model().info().n_vocab), ErrorCode::kRequest);
  engine_.check_prompt(prompt);
  s_.resume_or_clear(prompt);
  n_resumed_ = n_read();
  out_.stats.cached_n = static_cast<int64_t>(n_resumed_);
  for (const int32_t id : prompt) sampler_.accept(id);
  if (params.grammar) constraint_.emplace(engine_, params.grammar, params.grammar_after, !params.ignore_eos);
  add_sources();
  const size_t most = static_cast<size_t>(max_draft_);
  out_.stats.drafted.resize(most);
  out_.stats.accepted.resize(most);
  out_.stats.lengths.resize(most + 1);
  tokens_.resize(most + 1);
}

size_t Decoding::n_read() const noexcept {
  return std::min(prompt_.size(), static_cast<size_t>(s_.state_.length()));
}

void Decoding::add_sources() {
  const int most = engine_.options().max_draft;
  const auto add = [&](Drafter& drafter, int max_draft, DraftKind kind) {
    max_draft = std::min(max_draft, most);
    if (max_draft <= 0) return;
    sources_.add(drafter, max_draft, kind);
    max_draft_ = std::max(max_draft_, max_draft);
  };
  DraftFilter* const filter = constraint_ ? &*constraint_ : nullptr;
  if (filter != nullptr) sources_.filter_with(*filter);
  if (params_.drafter != nullptr) return add(*params_.drafter, params_.draft_max, DraftKind::kHead);
  if (constraint_) {  // for whoever drafts at all
    forced_drafter_.emplace(*constraint_, engine_.tokenizer());
    add(*forced_drafter_,
        std::max({params_.suffix_max, s_.head_ ? params_.draft_max : 0, s_.draft_ ? params_.model_max : 0}),
        DraftKind::kFree);
  }
  if (params_.suffix_max > 0) {
    suffix_drafter_.emplace(engine_.options().n_ctx);
    add(*suffix_drafter_, params_.suffix_max, DraftKind::kFree);
  }
  if (s_.head_) {
    head_drafter_.emplace(engine_.model(), *s_.head_, engine_.draft_head(), most, params_.draft_p_min, filter);
    add(*head_drafter_, params_.draft_max, DraftKind::kHead);
  }
  if (s_.draft_ && params_.model_max > 0) {
    model_drafter_.emplace(engine_.draft_model()->drafting(), *s_.draft_, engine_.model().info().n_vocab,
                           params_.draft_p_min, filter);
    add(*model_drafter_, params_.model_max, DraftKind::kModel);
  }
}

// ------------------------------------------------------------------------------------------------ into a step

void Decoding::end_if_told() noexcept {
  if (!ended_ && params_.stop != nullptr && params_.stop->load(std::memory_order_relaxed)) end(EndReason::kInterrupt);
}

bool Decoding::begin_step(int prompt_rows) noexcept {
  draft_ms_ = 0;
  end_if_told();
  if (!reading() && room() == 0) end(EndReason::kContext);
  if (ended_) return false;
  reads_ = reading();
  if (reads_) {
    const std::span<const int32_t> left = prompt_.subspan(n_read());
    const auto [n, n_behind] =
        s_.prompt_step(static_cast<int>(std::min(left.size(), static_cast<size_t>(prompt_rows))), std::ssize(left));
    step_ = {&s_.state_, left.data(), n - n_behind, n_behind};
    n_logits_ = n == static_cast<int>(left.size()) && params_.n_predict != 0 ? 1 : 0;
  } else {
    tokens_[0] = s_.tokens_.back();
    step_ = {&s_.state_, tokens_.data(), 1, 0};
    n_logits_ = 1;
  }
  return true;
}

int64_t Decoding::room() const noexcept {
  return engine_.options().n_ctx - s_.state_.length();
}

void Decoding::begin_drafts(int most, const Company& company) noexcept {
  const int64_t left = params_.n_predict < 0 ? room() : params_.n_predict - static_cast<int64_t>(out_.tokens.size());
  const int limit = static_cast<int>(std::max<int64_t>(0, std::min<int64_t>({max_draft_, most, left - 1, room() - 1})));
  const auto start = Clock::now();
  sources_.begin(engine_.ctx(), s_.tokens_, limit < params_.draft_min ? 0 : limit, company);
  draft_ms_ += ms_between(start, Clock::now());
  step_.n_draft = static_cast<int>(sources_.drafts().size());
}

bool Decoding::wants_draft(const Company& company) noexcept {
  return sources_.wants_draft(company);
}

MtpDrafter* Decoding::head_drafter() noexcept {
  return head_drafter_ && &sources_.drafter() == &*head_drafter_ ? &*head_drafter_ : nullptr;
}

void Decoding::make_draft() noexcept {
  const auto start = Clock::now();
  Draft draft = {-1, 0};
  if (!sources_.drafter().next(engine_.ctx(), &draft)) draft.token = -1;
  made(draft, ms_between(start, Clock::now()));
}

void Decoding::made(const Draft& draft, double ms) noexcept {
  draft_ms_ += ms;
  draft.token >= 0 ? sources_.made(engine_.ctx(), draft) : sources_.made_none(engine_.ctx());
  step_.n_draft = static_cast<int>(sources_.drafts().size());
}

void Decoding::end_drafts(const Company& company) noexcept {
  if (constraint_) constraint_->end_draft();
  const int n_made = static_cast<int>(sources_.drafts().size());
  int n = n_made == 0 ? 0 : sources_.n_to_verify(company);
  if (n < params_.draft_min) n = 0;
  if (params_.adaptive && head_drafter() == nullptr) {
    engine_.costs().saw_drafts(sources_.chosen_kind(), {kAlone.data(), static_cast<size_t>(n_made)}, draft_ms_);
  }
  std::copy_n(sources_.drafts().begin(), n, tokens_.begin() + 1);
  out_.stats.unverified += n_made - n;
  step_.n_draft = n;
  n_logits_ = 1 + n;
}

double Decoding::expected_tokens() const noexcept {
  return step_.n_draft == 0 ? 1 : sources_.expected_tokens(step_.n_draft);
}

// ------------------------------------------------------------------------------------------------ out of a step

void Decoding::end_step(const StepResult& result) noexcept {
  try {
    reads_ ? read(result) : verify(result, Clock::now());
  } catch (...) {
    error_ = std::current_exception();
    ended_ = true;
  }
}

void Decoding::read(const StepResult& result) {
  const int n = step_.n_sure + step_.n_draft;
  const int64_t left = std::ssize(prompt_) - s_.state_.length() - step_.n_draft;  // its sure rows are in the length
  s_.accept_prompt({step_.tokens, static_cast<size_t>(n)}, result.hidden, step_.n_sure, left);
  out_.stats.prompt_n = static_cast<int64_t>(n_read() - n_resumed_);
  if (reading()) return;
  if (params_.n_predict == 0) {
    end(EndReason::kLength);
  } else {
    // The draft model reads the prompt now, so that its first draft is no later than the others.
    if (model_drafter_) model_drafter_->catch_up(prompt_);
    take(choose(result, 0), result.logits.row(0), false);
  }
  first_token_ = Clock::now();
  out_.stats.prompt_ms = ms_between(start_, first_token_) - (engine_.pack_ms() - packed_ms_);
  packed_ms_ = engine_.pack_ms();
}

// Keeps what the trunk would have written.
void Decoding::verify(const StepResult& result, Clock::time_point start) {
  const int n_drafts = step_.n_draft;
  n_verified_ += n_drafts;
  int n = 0;  // rows that stand
  for (bool right = true; right && !ended_; n++) {
    const Sample sample = choose(result, n);
    // A draft that was not verified is compared all the same, and tells as much.
    if (sample.outcome == SampleOutcome::kToken) sources_.saw(engine_.ctx(), n, sample.token);
    right = n < n_drafts && sample.token == tokens_[static_cast<size_t>(n) + 1];
    if (right) out_.stats.accepted[static_cast<size_t>(n)]++;
    take(sample, result.logits.row(n), right);
  }
  s_.accept_rows(result.hidden, n);
  const double verify_ms = result.ms + ms_between(start, Clock::now());
  sources_.end_cycle(n_drafts, n, draft_ms_, verify_ms);

  for (int i = 0; i < n_drafts; i++) out_.stats.drafted[static_cast<size_t>(i)]++;
  count(n_drafts, std::min(n - 1, n_drafts));
  out_.stats.lengths[static_cast<size_t>(n_drafts)]++;
  out_.stats.draft_ms += draft_ms_;
  out_.stats.verify_ms += verify_ms;
  out_.stats.cycles++;
}

// A cycle verified n_drafts, of which n_right were right.
void Decoding::count(int n_drafts, int n_right) noexcept {
  if (n_drafts == 0) return;
  GenerateStats& s = out_.stats;
  const DraftKind kind = sources_.chosen_kind();
  if (kind == DraftKind::kModel) {
    s.model_drafted += n_drafts;
    s.model_accepted += n_right;
  } else if (forced_drafter_ && &sources_.drafter() == &*forced_drafter_) {
    s.forced_drafted += n_drafts;
    s.forced_accepted += n_right;
  } else if (kind == DraftKind::kFree) {
    s.suffix_drafted += n_drafts;
    s.suffix_accepted += n_right;
  }
}

Sample Decoding::choose(const StepResult& result, int r) {
  std::span<const uint32_t> allowed;
  if (constraint_) allowed = constraint_->allowed();
  return sampler_.sample(result.logits.row(r), static_cast<int64_t>(s_.tokens_.size()), engine_.sampler_scratch(),
                         {result.max.row(r), ops::kMaxBlock}, allowed);
}

// The token is part of the text now.
void Decoding::take(const Sample& sample, const float* logits, bool drafted) {
  const int64_t position = static_cast<int64_t>(s_.tokens_.size());
  if (sample.outcome == SampleOutcome::kNan) {
    fail(ErrorCode::kRequest, "logits: expected numbers, found a NaN at position {}", position);
  }
  if (sample.outcome == SampleOutcome::kNoneLeft && constraint_) {
    fail(ErrorCode::kRequest, "grammar: expected a token that it allows at position {}, found none", position);
  }
  if (sample.outcome == SampleOutcome::kNoneLeft) {
    fail(ErrorCode::kRequest, "logit bias: expected a token that is not banned, found none at position {}", position);
  }
  s_.tokens_.push_back(sample.token);
  sampler_.accept(sample.token);
  if (engine_.tokenizer().is_eog(sample.token) && !params_.ignore_eos) return end(EndReason::kEos);
  out_.tokens.push_back(sample.token);
  if (params_.digest) {
    const size_t n = static_cast<size_t>(engine_.model().info().n_vocab) * sizeof(float);
    digest_.add(logits, n);
    out_.row_digests.push_back(digest_of(logits, n));
  }
  if (params_.on_token) {
    TokenEvent event = {sample.token, drafted, n_verified_, {}};
    if (params_.top_logprobs >= 0) {
      event.logprobs = top_logprobs(logits, engine_.model().info().n_vocab, params_.top_logprobs, sample.token);
    }
    params_.on_token(std::move(event));
  }
  emit(matcher_.push(decoder_.push(sample.token)));
  if (constraint_) {
    constraint_->accept(sample.token);
    if (constraint_->complete()) return end(EndReason::kStop);
  }
  if (matcher_.found()) {
    out_.stop = *matcher_.which();
    return end(EndReason::kStop);
  }
  if (static_cast<int64_t>(out_.tokens.size()) == params_.n_predict) end(EndReason::kLength);
}

void Decoding::emit(const std::string& text) {
  out_.text += text;
  if (params_.on_text && !text.empty()) params_.on_text(text);
}

void Decoding::end(EndReason reason) noexcept {
  ended_ = true;
  out_.end_reason = reason;
}

Generation Decoding::finish() {
  NEXTN_CHECK(ended_);
  const double ms = ms_between(first_token_, Clock::now()) - (engine_.pack_ms() - packed_ms_);
  (reading() ? out_.stats.prompt_ms : out_.stats.predicted_ms) = ms;
  try {
    if (error_) std::rethrow_exception(error_);
    if (!matcher_.found()) {
      emit(matcher_.push(decoder_.finish()));
      emit(matcher_.finish());
    }
  } catch (...) {
    s_.clear();  // a step may have ended in its middle
    throw;
  }
  out_.logits_digest = digest_.value();
  return std::move(out_);
}

}  // namespace nextn
