#include "engine/session.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/error.h"
#include "draft/draft_sources.h"
#include "draft/mtp_drafter.h"
#include "draft/suffix_drafter.h"
#include "engine/digest.h"
#include "engine/draft_model.h"
#include "engine/stop_matcher.h"
#include "text/tokenizer/stream_decoder.h"

namespace nextn {

namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// Keys, then values of the first `length` positions.
template <class Part>
void for_kv_parts(const KvView& kv, int64_t length, const Part& part) {
  if (length == 0) return;
  part(kv.k, static_cast<size_t>(length * kv.k_stride));
  part(kv.v, static_cast<size_t>(length * kv.v_stride));
}

}  // namespace

const char* end_reason_name(EndReason reason) noexcept {
  constexpr const char* kNames[] = {"stop", "eos", "length", "context", "interrupt"};
  return kNames[static_cast<int>(reason)];
}

Session::Session(Engine& engine, bool to_draft) : engine_(engine), state_(engine.state_shape()) {
  tokens_.reserve(static_cast<size_t>(engine.options().n_ctx) + 1);
  if (to_draft && engine.model().info().has_head) {
    head_.emplace(engine.state_shape(), engine.options().head_k_type, engine.options().head_v_type,
                  engine.backlog_limit());
  }
  if (to_draft && engine.draft_model() != nullptr) {
    draft_.emplace(engine.draft_model()->state_shape(engine.options()));
  }
}

std::vector<MemoryPart> Session::memory() const {
  std::vector<MemoryPart> parts = {{"kv", state_.kv_bytes_taken()},
                                   {"delta_net_state", state_.delta_bytes_taken()},
                                   {"draft_records", state_.record_bytes_taken()}};
  if (head_) {
    parts.push_back({"head_kv", head_->kv_bytes_taken()});
    parts.push_back({"head_backlog", head_->backlog_bytes_taken()});
  }
  if (draft_) {
    parts.push_back({"draft_model_kv", draft_->state.kv_bytes_taken()});
    parts.push_back({"draft_model_state", draft_->state.delta_bytes_taken()});
    parts.push_back({"draft_model_records", draft_->state.record_bytes_taken()});
  }
  return parts;
}

void Session::clear() noexcept {
  state_.clear();
  if (head_) head_->clear();
  if (draft_) draft_->clear();
  tokens_.clear();
}

TensorView Session::prefill(std::span<const int32_t> tokens) noexcept {
  Model& model = engine_.model();
  Ctx& ctx = engine_.ctx();
  const int n = static_cast<int>(tokens.size());
  const int64_t position = state_.length(), D = model.info().n_embd;
  const SequenceRows rows = {&state_, tokens.data(), n, 0};
  const TensorView hidden = model.forward(ctx, {&rows, 1});
  if (head_) {
    // Row p pairs token p with the hidden state of p - 1: the first one waits in the backlog, the others are in
    // `hidden`.
    HeadState& head = *head_;
    NEXTN_CHECK(head.backlog() == 1);
    const HeadRows pairs[] = {{&head, tokens.data(), head.backlog_hidden(), position, 1},
                              {&head, tokens.data() + 1, hidden.data, position + 1, n - 1}};
    model.head_forward(ctx, {pairs, n > 1 ? 2u : 1u}, HeadOutput::kNone);
    head.consume(1);
    head.extend(n - 1);
    head.push_hidden(hidden.row(n - 1));
  }
  std::memcpy(state_.pending_hidden(), hidden.row(n - 1), static_cast<size_t>(D) * sizeof(float));
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  return hidden;
}

// Of a verify step's rows the first n stand: the sure one and n - 1 drafts.
void Session::accept_rows(const TensorView& hidden, int n) noexcept {
  state_.commit(n - 1);
  std::memcpy(state_.pending_hidden(), hidden.row(n - 1), static_cast<size_t>(hidden.cols) * sizeof(float));
  if (!head_) return;
  if (head_->backlog() + n > head_->backlog_limit()) {
    catch_up_head(engine_.ctx(), engine_.model(), *head_, tokens_, head_->backlog());
  }
  for (int i = 0; i < n; i++) head_->push_hidden(hidden.row(i));
}

// ------------------------------------------------------------------------------------------------ generating

// One call of generate(): what it needs besides the sequence.
class Session::Run {
 public:
  Run(Session& session, const GenerateParams& params)
      : s_(session),
        engine_(session.engine_),
        params_(params),
        sampler_(params.sampling, static_cast<int32_t>(engine_.model().info().n_vocab)),
        decoder_(engine_.tokenizer()),
        matcher_(params.stops),
        sources_(params.adaptive ? &engine_.costs() : nullptr) {
    add_sources();
    const size_t most = static_cast<size_t>(max_draft_);
    out_.stats.drafted.resize(most);
    out_.stats.accepted.resize(most);
    out_.stats.lengths.resize(most + 1);
    rows_.resize(most + 1);
  }

  Generation operator()(std::span<const int32_t> prompt) {
    const auto start = Clock::now();
    read_prompt(prompt);
    out_.stats.prompt_ms = ms_since(start);
    const auto first = Clock::now();
    while (!ended_) cycle();
    out_.stats.predicted_ms = ms_since(first);
    if (!matcher_.found()) {
      emit(matcher_.push(decoder_.finish()));
      emit(matcher_.finish());
    }
    out_.logits_digest = digest_.value();
    return std::move(out_);
  }

 private:
  void read_prompt(std::span<const int32_t> prompt) {
    const int64_t resumed = s_.state_.length();
    for (const int32_t id : prompt) sampler_.accept(id);
    const size_t limit = static_cast<size_t>(engine_.options().row_limit);
    TensorView hidden;
    for (size_t at = static_cast<size_t>(s_.state_.length()); at < prompt.size(); at += limit) {
      if (interrupted()) return end(EndReason::kInterrupt);
      hidden = s_.prefill(prompt.subspan(at, std::min(limit, prompt.size() - at)));
      out_.stats.prompt_n = s_.state_.length() - resumed;
    }
    if (params_.n_predict == 0) return end(EndReason::kLength);
    // The draft model reads the prompt now, so that its first draft is no later than the others.
    if (model_drafter_) model_drafter_->catch_up(prompt);
    const TensorView logits = engine_.logits(1);
    engine_.model().logits(engine_.ctx(), logits, hidden.rows_from(hidden.rows - 1, 1), engine_.logits_max(1));
    take(choose(0), logits.row(0));
  }

  // Draft, verify [last, drafts], keep what the trunk would have written.
  void cycle() {
    if (interrupted()) return end(EndReason::kInterrupt);
    const int64_t length = s_.state_.length(), room = engine_.options().n_ctx - length;
    if (room == 0) return end(EndReason::kContext);

    const auto start = Clock::now();
    const std::span<const int32_t> drafts = draft(room);
    const int n_drafted = static_cast<int>(drafts.size()), n_drafts = n_to_verify(n_drafted);
    const double draft_ms = ms_since(start);

    const auto drafted = Clock::now();
    rows_[0] = s_.tokens_.back();
    std::copy_n(drafts.begin(), n_drafts, rows_.begin() + 1);
    const SequenceRows rows = {&s_.state_, rows_.data(), 1, n_drafts};
    const TensorView hidden = engine_.model().forward(engine_.ctx(), {&rows, 1}), logits = engine_.logits(1 + n_drafts);
    engine_.model().logits(engine_.ctx(), logits, hidden, engine_.logits_max(1 + n_drafts));
    int n = 0;  // rows that stand
    for (bool right = true; right && !ended_; n++) {
      const Sample sample = choose(n);
      // A draft that was not verified is compared all the same, and tells as much.
      if (sample.outcome == SampleOutcome::kToken) sources_.saw(engine_.ctx(), n, sample.token);
      right = n < n_drafts && sample.token == drafts[static_cast<size_t>(n)];
      if (right) out_.stats.accepted[static_cast<size_t>(n)]++;
      take(sample, logits.row(n));
    }
    s_.accept_rows(hidden, n);
    const double verify_ms = ms_since(drafted);
    sources_.end_cycle(n_drafts, n, draft_ms, verify_ms);

    for (int i = 0; i < n_drafts; i++) out_.stats.drafted[static_cast<size_t>(i)]++;
    count(n_drafts, std::min(n - 1, n_drafts));
    out_.stats.unverified += n_drafted - n_drafts;
    out_.stats.lengths[static_cast<size_t>(n_drafts)]++;
    out_.stats.draft_ms += draft_ms;
    out_.stats.verify_ms += verify_ms;
    out_.stats.cycles++;
  }

  // A cycle verified n_drafts, of which n_right were right.
  void count(int n_drafts, int n_right) {
    if (n_drafts == 0) return;
    GenerateStats& s = out_.stats;
    const DraftKind kind = sources_.chosen_kind();
    if (kind == DraftKind::kModel) {
      s.model_drafted += n_drafts;
      s.model_accepted += n_right;
    } else if (kind == DraftKind::kFree) {
      s.suffix_drafted += n_drafts;
      s.suffix_accepted += n_right;
    }
  }

  void add_sources() {
    const int most = engine_.options().max_draft;
    const auto add = [&](Drafter& drafter, int max_draft, DraftKind kind) {
      max_draft = std::min(max_draft, most);
      if (max_draft <= 0) return;
      sources_.add(drafter, max_draft, kind);
      max_draft_ = std::max(max_draft_, max_draft);
    };
    if (params_.drafter != nullptr) return add(*params_.drafter, params_.draft_max, DraftKind::kHead);
    if (params_.suffix_max > 0) {
      suffix_drafter_.emplace(engine_.options().n_ctx);
      add(*suffix_drafter_, params_.suffix_max, DraftKind::kFree);
    }
    if (s_.head_) {
      head_drafter_.emplace(engine_.model(), *s_.head_, engine_.draft_head(), params_.draft_p_min);
      add(*head_drafter_, params_.draft_max, DraftKind::kHead);
    }
    if (s_.draft_ && params_.model_max > 0) {
      model_drafter_.emplace(engine_.draft_model()->drafting(), *s_.draft_, engine_.model().info().n_vocab,
                             params_.draft_p_min);
      add(*model_drafter_, params_.model_max, DraftKind::kModel);
    }
  }

  std::span<const int32_t> draft(int64_t room) {
    const int64_t left = params_.n_predict < 0 ? room : params_.n_predict - static_cast<int64_t>(out_.tokens.size());
    const int limit = static_cast<int>(std::max<int64_t>(0, std::min<int64_t>({max_draft_, left - 1, room - 1})));
    if (sources_.empty()) return {};
    return sources_.draft(engine_.ctx(), s_.tokens_, limit < params_.draft_min ? 0 : limit);
  }

  int n_to_verify(int n_drafted) const {
    const int n = n_drafted == 0 ? 0 : sources_.n_to_verify();
    return n < params_.draft_min ? 0 : n;
  }

  // From row r of the engine's logits.
  Sample choose(int r) const {
    return sampler_.sample(engine_.logits(r + 1).row(r), static_cast<int64_t>(s_.tokens_.size()),
                           engine_.sampler_scratch(), {engine_.logits_max(r + 1).row(r), ops::kMaxBlock});
  }

  // The token is part of the text now.
  void take(const Sample& sample, const float* logits) {
    const int64_t position = static_cast<int64_t>(s_.tokens_.size());
    if (sample.outcome == SampleOutcome::kNan) {
      fail(ErrorCode::kRequest, "logits: expected numbers, found a NaN at position {}", position);
    }
    if (sample.outcome == SampleOutcome::kNoneLeft) {
      fail(ErrorCode::kRequest, "logit bias: expected a token that is not banned, found none at position {}", position);
    }
    s_.tokens_.push_back(sample.token);
    sampler_.accept(sample.token);
    if (engine_.tokenizer().is_eog(sample.token) && !params_.ignore_eos) return end(EndReason::kEos);
    out_.tokens.push_back(sample.token);
    if (params_.digest) add_digest(logits);
    emit(matcher_.push(decoder_.push(sample.token)));
    if (matcher_.found()) return end(EndReason::kStop);
    if (static_cast<int64_t>(out_.tokens.size()) == params_.n_predict) end(EndReason::kLength);
  }

  void add_digest(const float* logits) {
    const size_t n = static_cast<size_t>(engine_.model().info().n_vocab) * sizeof(float);
    digest_.add(logits, n);
    out_.row_digests.push_back(digest_of(logits, n));
  }

  void emit(const std::string& text) {
    out_.text += text;
    if (params_.on_text && !text.empty()) params_.on_text(text);
  }

  bool interrupted() const { return params_.stop != nullptr && params_.stop->load(std::memory_order_relaxed); }

  void end(EndReason reason) {
    ended_ = true;
    out_.end_reason = reason;
  }

  Session& s_;
  Engine& engine_;
  const GenerateParams& params_;
  Sampler sampler_;
  StreamDecoder decoder_;
  StopMatcher matcher_;
  std::optional<SuffixDrafter> suffix_drafter_;
  std::optional<MtpDrafter> head_drafter_;
  std::optional<ModelDrafter> model_drafter_;
  DraftSources sources_;       // none: plain decoding
  int max_draft_ = 0;          // of a cycle
  std::vector<int32_t> rows_;  // the last token, then the drafts that are verified
  Digest digest_;
  Generation out_;
  bool ended_ = false;
};

Generation Session::generate(std::span<const int32_t> prompt, const GenerateParams& params) {
  check_sampler_params(params.sampling, static_cast<int32_t>(engine_.model().info().n_vocab), ErrorCode::kRequest);
  engine_.check_prompt(prompt);
  resume_or_clear(prompt);
  try {
    return Run(*this, params)(prompt);
  } catch (...) {
    clear();  // a step may have ended in its middle
    throw;
  }
}

// ------------------------------------------------------------------------------------------------ canonical state

void Session::make_canonical() noexcept {
  if (state_.n_pending() > 0) {
    const SequenceRows nothing_new = {&state_, nullptr, 0, 0};
    engine_.model().forward(engine_.ctx(), {&nothing_new, 1});
  }
  // The pair of the text's last token is no part of it: that token has not been through the trunk.
  if (head_ && head_->length() < state_.length()) {
    catch_up_head(engine_.ctx(), engine_.model(), *head_, tokens_, static_cast<int>(state_.length() - head_->length()));
  }
}

// Everything a canonical state consists of, as pieces of memory in a fixed order: digests, snapshots and restoring go
// over the same pieces.
template <class Part>
void Session::for_trunk_parts(const Part& part) noexcept {
  const StateShape& shape = state_.shape();
  const int64_t length = state_.length();
  const auto floats = [&](float* p, int64_t n) { part(p, static_cast<size_t>(n) * sizeof(float)); };
  floats(state_.pending_hidden(), shape.n_embd);
  for (int il = 0; il < static_cast<int>(shape.layers.size()); il++) {
    if (shape.layers[static_cast<size_t>(il)] == LayerKind::kAttention) {
      for_kv_parts(state_.kv(il), length, part);
      continue;
    }
    floats(state_.delta(il).state, shape.n_value_heads * shape.value_dim * shape.key_dim);
    const ConvView conv = state_.conv(il);
    for (int64_t p = std::max<int64_t>(0, length - (shape.conv_taps - 1)); p < length; p++) {
      floats(conv.columns + p % conv.n_slots * shape.conv_channels, shape.conv_channels);
    }
  }
}

template <class Part>
void Session::for_head_parts(const Part& part) noexcept {
  if (head_) for_kv_parts(head_->kv(), state_.length(), part);
}

uint64_t Session::state_digest() {
  make_canonical();
  Digest digest;
  const int64_t length = state_.length();
  digest.add(&length, sizeof length);
  for_trunk_parts([&](const void* bytes, size_t n) { digest.add(bytes, n); });
  return digest.value();
}

uint64_t Session::head_digest() {
  if (!head_) return 0;
  make_canonical();
  Digest digest;
  for_head_parts([&](const void* bytes, size_t n) { digest.add(bytes, n); });
  return digest.value();
}

// What a snapshot can be restored into: the same file's model with the same caches.
uint64_t Session::origin() const {
  const EngineOptions& o = engine_.options();
  const ModelInfo& info = engine_.model().info();
  const uint64_t facts[] = {engine_.file().n_bytes(),
                            static_cast<uint64_t>(info.n_vocab),
                            static_cast<uint64_t>(info.n_embd),
                            static_cast<uint64_t>(info.n_layers),
                            static_cast<uint64_t>(o.k_type),
                            static_cast<uint64_t>(o.v_type),
                            head_ ? 1 + static_cast<uint64_t>(o.head_k_type) : 0,
                            head_ ? 1 + static_cast<uint64_t>(o.head_v_type) : 0};
  const std::string_view name = engine_.file().string_or("general.name", "");
  Digest digest;
  digest.add(facts, sizeof facts);
  digest.add(name.data(), name.size());
  return digest.value();
}

Snapshot Session::snapshot() {
  make_canonical();
  Snapshot out;
  out.origin = origin();
  out.tokens.assign(tokens_.begin(), tokens_.begin() + state_.length());
  const auto append_to = [](std::vector<uint8_t>& to) {
    return [&to](const void* bytes, size_t n) {
      to.insert(to.end(), static_cast<const uint8_t*>(bytes), static_cast<const uint8_t*>(bytes) + n);
    };
  };
  for_trunk_parts(append_to(out.trunk));
  for_head_parts(append_to(out.head));
  return out;
}

void Session::restore(const Snapshot& snapshot) {
  clear();
  const int64_t length = static_cast<int64_t>(snapshot.tokens.size());
  if (snapshot.origin != origin()) {
    fail(ErrorCode::kRequest, "snapshot: expected one of {} with {} and {} caches, found another",
         engine_.file().path(), kv_type_name(engine_.options().k_type), kv_type_name(engine_.options().v_type));
  }
  if (length > state_.shape().n_ctx) {
    fail(ErrorCode::kRequest, "snapshot: expected at most {} tokens (-c), found {}", state_.shape().n_ctx, length);
  }
  state_.restore(length);
  const uint8_t* from = snapshot.trunk.data();
  const auto take = [&](void* bytes, size_t n) {
    std::memcpy(bytes, from, n);
    from += n;
  };
  for_trunk_parts(take);
  from = snapshot.head.data();
  for_head_parts(take);
  if (head_) head_->restore(length, state_.pending_hidden());
  tokens_.assign(snapshot.tokens.begin(), snapshot.tokens.end());
}

// Leaves the canonical state of a proper beginning of the prompt.
void Session::resume_or_clear(std::span<const int32_t> prompt) noexcept {
  const size_t length = static_cast<size_t>(state_.length());
  if (length >= prompt.size() || !std::equal(tokens_.begin(), tokens_.begin() + state_.length(), prompt.begin())) {
    return clear();
  }
  make_canonical();
  tokens_.resize(length);
}

}  // namespace nextn
