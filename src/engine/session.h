// One sequence and how it grows: prompt in, then cycles of draft, verify, accept. The text it writes is the same
// whatever drafts, at any number of drafts, and with none.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "draft/drafter.h"
#include "draft/model_drafter.h"
#include "engine/engine.h"
#include "grammar/grammar.h"
#include "sampling/logprobs.h"
#include "state/checkpoints.h"
#include "state/head_state.h"
#include "state/sequence_state.h"

namespace nextn {

// A token that has become part of the text.
struct TokenEvent {
  int32_t token;
  bool drafted;                        // it was drafted, and the trunk has chosen the same
  int64_t n_drafted;                   // drafts of this text verified so far
  std::vector<TokenLogprob> logprobs;  // as top_logprobs() gives them; empty where none are asked for
};

struct GenerateParams {
  SamplerParams sampling;
  uint32_t choice = 0;     // tells the answers to one request apart, which share a seed
  int64_t n_predict = -1;  // tokens at most; negative: until an end
  std::vector<std::string> stops;
  // The text must be one of this grammar's; with `grammar_after`, from the token on that ends that text (reasoning may
  // come before it).
  std::shared_ptr<const grammar::Grammar> grammar;
  std::string grammar_after;
  bool ignore_eos = false;
  int draft_max = kDefaultMaxDraft;  // drafts of a cycle from the head; never more than the engine's max_draft
  int model_max = 0;                 // from the draft model (-md)
  int suffix_max = 0;                // and from the text itself (draft/suffix_drafter.h); 0: none
  int draft_min = 0;                 // a draft shorter than this is not verified
  bool adaptive = false;             // draft as many as pay (draft/controller.h); else always draft_max
  float draft_p_min = 0;
  bool digest = false;                         // compute logits_digest
  const std::atomic<bool>* stop = nullptr;     // set from outside: ends with kInterrupt at the next cycle
  Drafter* drafter = nullptr;                  // instead of all others
  int top_logprobs = -1;                       // probabilities of so many tokens in each place; negative: none at all
  std::function<void(TokenEvent&&)> on_token;  // before the text that ends with it; not of an end token
  std::function<void(std::string_view)> on_text;
};

enum class EndReason : uint8_t { kStop, kEos, kLength, kContext, kInterrupt };
const char* end_reason_name(EndReason reason) noexcept;

struct GenerateStats {
  int64_t prompt_n = 0, cached_n = 0;  // tokens of the prompt that were run, and that were known
  double prompt_ms = 0, predicted_ms = 0, draft_ms = 0, verify_ms = 0;
  int64_t cycles = 0;
  std::vector<int64_t> drafted, accepted;           // by position in the draft; of the drafts that were verified
  std::vector<int64_t> lengths;                     // cycles by the number of drafts that they verified
  int64_t suffix_drafted = 0, suffix_accepted = 0;  // of all these, from the text itself
  int64_t forced_drafted = 0, forced_accepted = 0;  // what the grammar forces
  int64_t model_drafted = 0, model_accepted = 0;    // and from the draft model
  int64_t unverified = 0;  // drafts made and not verified: probes, and ends of drafts that looked weak
};

struct Generation {
  std::vector<int32_t> tokens;  // the end token left out
  std::string text;             // up to a stop string
  std::string stop;             // which one; empty where none was found
  EndReason end_reason = EndReason::kLength;
  uint64_t logits_digest = 0;         // XXH3 of the logits rows that the tokens were chosen from, in order
  std::vector<uint64_t> row_digests;  // of each of these rows
  GenerateStats stats;
};

// What a canonical state is good for: names and values of the model, the numerics and the cache types.
using Origin = std::vector<std::pair<std::string, std::string>>;

// The canonical state of a sequence and the text it stands for, in memory.
struct Snapshot {
  Origin origin;
  std::vector<int32_t> tokens;
  std::vector<uint8_t> trunk, head;
};

// Tokens that both texts begin with.
int64_t common_prefix(std::span<const int32_t> a, std::span<const int32_t> b) noexcept;

class Session {
 public:
  // Takes the memory of one sequence. The engine outlives it. A session that is not to draft costs what one of an
  // engine without a head and a draft model costs: it has nothing to keep up. Throws Error{kSystem}.
  explicit Session(Engine& engine, bool to_draft = true);

  // Runs `prompt` and generates what follows. Where the sequence already stands for the beginning of the prompt (after
  // restore(), or when the prompt continues the text) only the rest is run; else it starts afresh. The result is the
  // same. Throws Error{kRequest} for a prompt that is empty, too long or has an id outside the vocabulary, for
  // parameters out of range, and when the logits hold a NaN.
  Generation generate(std::span<const int32_t> prompt, const GenerateParams& params);

  // Digest of the canonical state (D3): pending rows applied, the head caught up, keys and values up to the length. The
  // trunk's alone, so that it can be compared with a run that has no head.
  uint64_t state_digest();
  // The same of the head's keys and values; 0 without a head.
  uint64_t head_digest();

  // Takes or puts back the canonical state. Throws Error{kRequest} for a snapshot of another model or other cache
  // types.
  Snapshot snapshot();
  void restore(const Snapshot& snapshot);

  Origin origin() const;  // throws as Engine::identity() does
  // Applies what is pending: the state is the canonical one of text() from here on.
  void make_canonical() noexcept;
  std::span<const int32_t> text() const noexcept { return std::span(tokens_).first(static_cast<size_t>(length())); }
  // The memory that the canonical state consists of, piece by piece in a fixed order.
  std::vector<std::span<uint8_t>> pieces();
  Checkpoints& checkpoints() noexcept { return checkpoints_; }
  // Makes it stand for these tokens, at most n_ctx, with no checkpoints. pieces() are then to be filled in before
  // end_restore(); in between there is nothing but clear().
  void begin_restore(std::span<const int32_t> tokens) noexcept;
  void end_restore() noexcept;

  std::vector<MemoryPart> memory() const;

  int64_t length() const noexcept { return state_.length(); }  // tokens that have been through the trunk
  // Tokens of the prompt that generate() would not have to run: the text goes on with it, or it goes back to a
  // checkpoint from where it does.
  int64_t resumable(std::span<const int32_t> prompt) const noexcept;
  // The same of what another session could take over.
  int64_t shareable(std::span<const int32_t> prompt) const noexcept;
  // Takes over the beginning of the prompt that `other`, a session of the same engine, has in common with it:
  // other.shareable(prompt) tokens. It may be in use; it stays as it is.
  void share(Session& other, std::span<const int32_t> prompt) noexcept;

  int64_t n_ctx() const noexcept { return state_.shape().n_ctx; }
  int64_t n_vocab() const noexcept { return engine_.model().info().n_vocab; }
  void clear() noexcept;
  SequenceState& state() noexcept { return state_; }
  HeadState* head_state() noexcept { return head_ ? &*head_ : nullptr; }
  DraftSequence* draft_sequence() noexcept { return draft_ ? &*draft_ : nullptr; }

 private:
  friend class Decoding;

  // Rows of the prompt that a step has run, the first n_sure of them into the delta nets; the head takes them in.
  // `left`: of the prompt.
  void accept_prompt(std::span<const int32_t> tokens, const TensorView& hidden, int n_sure, int64_t left) noexcept;
  // Of the n rows that come next, `left` being the rest of the prompt: how many to run in this step, and how many of
  // them as draft rows, so that the delta nets stop where a checkpoint is wanted.
  struct PromptStep {
    int n, n_behind;
  };
  PromptStep prompt_step(int n, int64_t left) const noexcept;
  void return_to(int64_t length) noexcept;
  void accept_rows(const TensorView& hidden, int n) noexcept;
  void resume_or_clear(std::span<const int32_t> prompt) noexcept;
  template <class Part>
  void for_trunk_parts(const Part& part) noexcept;
  template <class Part>
  void for_head_parts(const Part& part) noexcept;

  Engine& engine_;
  SequenceState state_;
  Checkpoints checkpoints_;
  std::optional<HeadState> head_;
  std::optional<DraftSequence> draft_;  // of the draft model
  std::vector<int32_t> tokens_;         // the text: prompt and generated, the last one not yet through the trunk
};

}  // namespace nextn
