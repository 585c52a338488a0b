#include "engine/session.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "draft/mtp_drafter.h"
#include "engine/decoding.h"
#include "engine/digest.h"
#include "engine/draft_model.h"
#include "engine/step_runner.h"
#include "kernels/kernels.h"

namespace nextn {

namespace {

// Keys and values of the first `length` positions.
template <class Part>
void for_kv_parts(const KvView& kv, int64_t length, const Part& part) {
  for_kv_runs(kv, length, [&](int64_t position, int64_t head, int64_t n) {
    part(kv.key(position, head), static_cast<size_t>(n * kv.k_stride));
    part(kv.value(position, head), static_cast<size_t>(n * kv.v_stride));
  });
}

// Near the end of a prompt: the template's beginning of the answer fits behind it, so that both another answer and the
// next turn go on from there.
constexpr int kTail = 7;
constexpr int64_t kGrid = 512;  // tokens between checkpoints on the way, at least

}  // namespace

int64_t common_prefix(std::span<const int32_t> a, std::span<const int32_t> b) noexcept {
  return std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
}

const char* end_reason_name(EndReason reason) noexcept {
  constexpr const char* kNames[] = {"stop", "eos", "length", "context", "interrupt"};
  return kNames[static_cast<int>(reason)];
}

Session::Session(Engine& engine, bool to_draft)
    : engine_(engine),
      state_(engine.state_shape()),
      checkpoints_(engine.state_shape(), engine.options().n_checkpoints) {
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
                                   {"draft_records", state_.record_bytes_taken()},
                                   {"checkpoints", checkpoints_.bytes_taken()}};
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
  checkpoints_.drop_beyond(0);
  tokens_.clear();
}

Session::PromptStep Session::prompt_step(int n, int64_t left) const noexcept {
  if (checkpoints_.none() || left <= kTail) return {n, 0};
  const int until_tail = static_cast<int>(std::min<int64_t>(n, left - kTail));
  // Draft rows are recorded and not written into the delta nets: they cost no step of their own.
  if (n == left && state_.shape().max_draft >= kTail) return {n, kTail};
  return {until_tail, 0};
}

void Session::accept_prompt(std::span<const int32_t> tokens, const TensorView& hidden, int n_sure,
                            int64_t left) noexcept {
  const int n = static_cast<int>(tokens.size());
  const int64_t sure_length = state_.length();
  if (!checkpoints_.none() && (n_sure < n || left == kTail || sure_length >= checkpoints_.last() + kGrid)) {
    checkpoints_.save(state_, sure_length, hidden.row(n_sure - 1));
  }
  state_.commit(n - n_sure);
  if (head_) {
    // Row p pairs token p with the hidden state of p - 1: the first one waits in the backlog, the others are in
    // `hidden`.
    HeadState& head = *head_;
    NEXTN_CHECK(head.backlog() == 1);
    const int64_t position = state_.length() - n;
    const HeadRows pairs[] = {{&head, tokens.data(), head.backlog_hidden(), position, 1},
                              {&head, tokens.data() + 1, hidden.data, position + 1, n - 1}};
    engine_.model().head_forward(engine_.ctx(), {pairs, n > 1 ? 2u : 1u}, HeadOutput::kNone);
    head.consume(1);
    head.extend(n - 1);
    head.push_hidden(hidden.row(n - 1));
  }
  std::memcpy(state_.pending_hidden(), hidden.row(n - 1), static_cast<size_t>(hidden.cols) * sizeof(float));
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
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

Generation Session::generate(std::span<const int32_t> prompt, const GenerateParams& params) {
  Decoding decoding(*this, prompt, params);
  StepRunner runner(engine_);
  Decoding* const alone[] = {&decoding};
  const auto prompt_rows = [&](int) { return engine_.options().row_limit; };
  while (!decoding.ended()) runner.run(alone, prompt_rows);
  return decoding.finish();
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

Origin Session::origin() const {
  const EngineOptions& o = engine_.options();
  const auto types = [](KvType k, KvType v) { return fmt::format("{} {}", kv_type_name(k), kv_type_name(v)); };
  return {{"model", engine_.identity()},
          {"nextn", NEXTN_VERSION},
          {"numerics", std::to_string(kNumericsVersion)},
          {"cache types", types(o.k_type, o.v_type)},
          {"head's cache types", head_ ? types(o.head_k_type, o.head_v_type) : "none"}};
}

std::vector<std::span<uint8_t>> Session::pieces() {
  std::vector<std::span<uint8_t>> all;
  const auto add = [&](void* bytes, size_t n) { all.emplace_back(static_cast<uint8_t*>(bytes), n); };
  for_trunk_parts(add);
  for_head_parts(add);
  return all;
}

void Session::begin_restore(std::span<const int32_t> tokens) noexcept {
  clear();
  state_.restore(std::ssize(tokens));
  tokens_.assign(tokens.begin(), tokens.end());
}

void Session::end_restore() noexcept {
  if (head_) head_->restore(state_.length(), state_.pending_hidden());
}

Snapshot Session::snapshot() {
  make_canonical();
  Snapshot out;
  out.origin = origin();
  out.tokens.assign(text().begin(), text().end());
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
  const int64_t length = std::ssize(snapshot.tokens);
  if (snapshot.origin != origin()) {
    fail(ErrorCode::kRequest, "snapshot: expected one of {} with {} and {} caches, found another",
         engine_.file().path(), kv_type_name(engine_.options().k_type), kv_type_name(engine_.options().v_type));
  }
  if (length > state_.shape().n_ctx) {
    fail(ErrorCode::kRequest, "snapshot: expected at most {} tokens (-c), found {}", state_.shape().n_ctx, length);
  }
  begin_restore(snapshot.tokens);
  const uint8_t* from = snapshot.trunk.data();
  const auto take = [&](void* bytes, size_t n) {
    std::memcpy(bytes, from, n);
    from += n;
  };
  for_trunk_parts(take);
  from = snapshot.head.data();
  for_head_parts(take);
  end_restore();
}

// ------------------------------------------------------------------------------------------------ going on, and back

int64_t Session::shareable(std::span<const int32_t> prompt) const noexcept {
  const int64_t common = common_prefix(std::span(tokens_).first(static_cast<size_t>(state_.length())), prompt);
  return checkpoints_.nearest(std::min(common, static_cast<int64_t>(prompt.size()) - 1));
}

int64_t Session::resumable(std::span<const int32_t> prompt) const noexcept {
  const int64_t length = state_.length();
  const bool goes_on = length < static_cast<int64_t>(prompt.size()) &&
                       std::equal(tokens_.begin(), tokens_.begin() + length, prompt.begin());
  return goes_on ? length : shareable(prompt);
}

// Leaves the canonical state of a proper beginning of the prompt.
void Session::resume_or_clear(std::span<const int32_t> prompt) noexcept {
  const int64_t length = resumable(prompt);
  if (length == 0) return clear();
  if (length < state_.length()) return return_to(length);
  make_canonical();
  tokens_.resize(static_cast<size_t>(length));
}

// Keys and values before it, the head's too, are this text's.
void Session::return_to(int64_t length) noexcept {
  checkpoints_.restore(state_, length);
  checkpoints_.drop_beyond(length);
  if (head_) head_->restore(length, state_.pending_hidden());
  if (draft_) draft_->clear();
  tokens_.resize(static_cast<size_t>(length));
}

void Session::share(Session& other, std::span<const int32_t> prompt) noexcept {
  const int64_t length = other.shareable(prompt);
  clear();
  if (length == 0) return;
  const auto copy = [&](const KvView& to, const KvView& from) {
    for_kv_runs(from, length, [&](int64_t position, int64_t head, int64_t n) {
      std::memcpy(to.key(position, head), from.key(position, head), static_cast<size_t>(n * from.k_stride));
      std::memcpy(to.value(position, head), from.value(position, head), static_cast<size_t>(n * from.v_stride));
    });
  };
  const std::vector<LayerKind>& layers = state_.shape().layers;
  for (int il = 0; il < static_cast<int>(layers.size()); il++) {
    if (layers[static_cast<size_t>(il)] == LayerKind::kAttention) copy(state_.kv(il), other.state_.kv(il));
  }
  if (head_ && other.head_) copy(head_->kv(), other.head_->kv());
  checkpoints_.copy(other.checkpoints_, length);
  tokens_.assign(other.tokens_.begin(), other.tokens_.begin() + length);
  return_to(length);
}

}  // namespace nextn
