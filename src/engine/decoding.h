// One request on its way: what its sequence puts into the engine's next step, and what it takes out of it. A step may
// hold rows of several decodings (engine/step_runner.h); the text of each is the same with any neighbours.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "draft/draft_sources.h"
#include "draft/mtp_drafter.h"
#include "draft/suffix_drafter.h"
#include "engine/constraint.h"
#include "engine/digest.h"
#include "engine/engine.h"
#include "engine/forced_drafter.h"
#include "engine/session.h"
#include "engine/stop_matcher.h"
#include "text/tokenizer/stream_decoder.h"

namespace nextn {

// What a step gives a decoding: its own rows.
struct StepResult {
  TensorView hidden;       // (rows, n_embd)
  TensorView logits, max;  // of the last n_logits() of them, see Model::logits
  double ms;               // that the step took until now
};

class Decoding {
 public:
  // Where the session stands for the beginning of the prompt only the rest is run; else it starts afresh. All three
  // outlive the decoding. Throws Error{kRequest} for a prompt that is empty, too long or has an id outside the
  // vocabulary, and for parameters out of range.
  Decoding(Session& session, std::span<const int32_t> prompt, const GenerateParams& params);

  bool ended() const noexcept { return ended_; }
  bool reading() const noexcept { return n_left() > 0; }                // rows of the prompt come next
  size_t n_left() const noexcept { return prompt_.size() - n_read(); }  // of them

  // Makes the rows of the next step: at most `prompt_rows` of the prompt, or the last token, which drafts may follow.
  // False where there are none, because it ended.
  bool begin_step(int prompt_rows) noexcept;
  void end_if_told() noexcept;  // params.stop; begin_step() does so too
  // Where the last token is to be followed by at most `most` drafts: chooses who makes them. Then, as long as it wants
  // one more, the drafter makes it, or the head's, where that is the one, for several decodings at once.
  bool can_draft() const noexcept { return !sources_.empty(); }
  void begin_drafts(int most, const Company& company) noexcept;
  bool wants_draft(const Company& company) noexcept;
  MtpDrafter* head_drafter() noexcept;  // nullptr: another one's turn
  void make_draft() noexcept;
  void made(const Draft& draft, double ms) noexcept;  // its share of the pass; a negative token: none is to be had
  // How many of them the step verifies.
  void end_drafts(const Company& company) noexcept;

  const SequenceRows& rows() const noexcept { return step_; }
  int n_rows() const noexcept { return step_.n_sure + step_.n_draft; }
  int n_logits() const noexcept { return n_logits_; }
  // Tokens that the step is expected to give, and what its drafts took.
  double expected_tokens() const noexcept;
  double draft_ms() const noexcept { return draft_ms_; }

  // The step is done. What goes wrong from here on, in the logits or in a callback, ends this decoding alone.
  void end_step(const StepResult& result) noexcept;

  // What it made, once it has ended. Throws what ended it; the session then begins afresh.
  Generation finish();

 private:
  size_t n_read() const noexcept;
  int64_t room() const noexcept;  // for rows, in the context
  void read(const StepResult& result);
  void verify(const StepResult& result, Clock::time_point start);
  void count(int n_drafts, int n_right) noexcept;
  void add_sources();
  Sample choose(const StepResult& result, int r);
  void take(const Sample& sample, const float* logits, bool drafted);
  void emit(const std::string& text);
  void end(EndReason reason) noexcept;

  Session& s_;
  Engine& engine_;
  std::span<const int32_t> prompt_;
  const GenerateParams& params_;
  Sampler sampler_;
  StreamDecoder decoder_;
  StopMatcher matcher_;
  std::optional<Constraint> constraint_;  // where a grammar is given
  std::optional<ForcedDrafter> forced_drafter_;
  std::optional<SuffixDrafter> suffix_drafter_;
  std::optional<MtpDrafter> head_drafter_;
  std::optional<ModelDrafter> model_drafter_;
  DraftSources sources_;  // none: plain decoding
  int max_draft_ = 0;     // of a cycle
  size_t n_resumed_ = 0;  // of the prompt
  Clock::time_point start_ = Clock::now(), first_token_ = start_;
  double packed_ms_ = engine_.pack_ms();  // at start_, then at first_token_
  Digest digest_;
  Generation out_;
  int64_t n_verified_ = 0;  // drafts
  bool ended_ = false;
  std::exception_ptr error_;
  // of the running step
  std::vector<int32_t> tokens_;  // the last one, then the drafts that are verified
  SequenceRows step_ = {};
  bool reads_ = false;  // its rows are the prompt's
  int n_logits_ = 0;
  double draft_ms_ = 0;
};

}  // namespace nextn
