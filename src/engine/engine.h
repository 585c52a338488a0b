// A loaded model and everything a step needs: file, weights, tokenizer, threads, buffers. Sessions run on it, one at a
// time.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/numa.h"
#include "draft/draft_head.h"
#include "draft/step_costs.h"
#include "engine/plan.h"
#include "gguf/file.h"
#include "grammar/token_trie.h"
#include "model/model.h"
#include "sampling/sampler.h"
#include "tensor/buffer.h"
#include "text/tokenizer/tokenizer.h"

namespace nextn {

enum class SpecType : uint8_t {
  kAuto,  // the file's MTP head if it has a usable one
  kNone,  // the head is not loaded
  kMtp,   // the file's MTP head, or an error
};

constexpr int kMaxDraftLimit = 64;
constexpr int kDefaultMaxDraft = kMaxMatmulRows - 1;  // with the sure row as many as read a weight once
constexpr int kDefaultMaxSuffixDraft = 31;            // a copy goes on for long
constexpr int kDefaultContext = 8192;

struct EngineOptions {
  std::string model_path;                // a GGUF file, or
  std::span<const uint8_t> model_bytes;  // one in memory; model_path is then its name
  std::string draft_path;                // a GGUF file with a model that drafts for it; empty: there is none
  int n_threads = 0;                     // 0: as many as the machine has
  int n_sessions = 1;                    // that will be made, for the plan
  int n_parallel = 1;                    // decodings of one step at most; 0: as many sessions, too, as fit
  int n_checkpoints = 0;                 // of each session's text, to go back to (state/checkpoints.h)
  bool keep_texts = false;               // that no session holds any more (engine/prefix_cache.h)
  uint64_t cache_limit = UINT64_MAX;     // bytes of all checkpoints and these texts; UINT64_MAX: what make_plan says
  int64_t n_ctx = 0;                     // 0: 8192, or the model's if that is less
  int row_limit = 512;                   // rows of one step (-ub)
  KvType k_type = KvType::kF16, v_type = KvType::kF16;
  KvType head_k_type = KvType::kF16, head_v_type = KvType::kF16;
  SpecType spec = SpecType::kAuto;
  int max_draft = kDefaultMaxDraft;       // drafts of one cycle at most
  int64_t draft_vocab = kDraftVocabAuto;  // what drafts are chosen from: N for the first N ids and the text's
  const char* isa = nullptr;
  uint64_t memory_limit = 0;  // bytes to take at most, besides what the machine allows; 0: no limit of ours
  bool map = true;            // --no-mmap: false
  bool lock = false;          // --mlock
  Numa numa = Numa::kNone;
  Packing packing = Packing::kAtOnce;  // when weights are packed, where the memory allows another time (Engine::packed)
  LoadProgress progress;
  std::function<void(const std::string& line)> on_note;  // what the user should know, before the file is loaded
};

class DraftModel;  // engine/draft_model.h

class Engine {
 public:
  // Plans first (make_plan), then takes the memory. Throws Error for anything wrong with the options, the file or the
  // memory.
  explicit Engine(const EngineOptions& options);
  ~Engine();

  const EngineOptions& options() const noexcept { return options_; }  // with the defaults filled in
  const gguf::File& file() const noexcept { return file_; }
  const Tokenizer& tokenizer() const noexcept { return *tokenizer_; }
  Model& model() noexcept { return *model_; }
  const HeadVerdict& head_verdict() const noexcept { return verdict_; }
  Ctx& ctx() noexcept { return ctx_; }
  // Breaks something on purpose from now on. Throws Error{kUsage} for what this model has not got.
  void inject(Fault fault);
  const char* isa() const noexcept { return ctx_.kernels.isa; }
  double load_ms() const noexcept { return load_ms_; }  // until the first step could be run

  // Whether all weights that memory holds are packed. With options.packing a step before that is possible, for rows of
  // prompts alone: it packs every tile for itself, which takes about as long as packing them all where memory is at
  // hand, and far less where the system has to find it first. Until then pack_some(), between steps, packs the next few
  // tens of MiB; pack_ms() is what its calls took. What pack() took is in load_ms().
  bool packed() const noexcept { return packed_; }
  void pack_some() { pack_some({}); }
  void pack();  // all of them, as a part of loading, with options.progress
  double pack_ms() const noexcept { return pack_ms_; }

  // Throws Error{kRequest} for a prompt that is empty, longer than n_ctx - room, or has an id outside the vocabulary.
  void check_prompt(std::span<const int32_t> prompt, int room = 0) const;

  const StateShape& state_shape() const noexcept { return shape_; }
  // Hidden states that may wait for the head: a whole cycle's and some more, so that cycles without drafts rarely stop
  // to catch up.
  int backlog_limit() const noexcept { return nextn::backlog_limit(options_); }
  int logit_rows() const noexcept { return nextn::logit_rows(options_); }
  TensorView logits(int64_t n) noexcept { return logits_.rows(n); }          // n <= logit_rows()
  TensorView logits_max(int64_t n) noexcept { return logits_max_.rows(n); }  // of their blocks, see Model::logits
  TensorView gathered(int64_t n) noexcept { return gathered_.rows(n); }      // hidden states of several decodings
  DraftHead& draft_head() noexcept { return *draft_head_; }                  // where an MTP head is loaded
  const DraftHead* draft_head() const noexcept { return draft_head_ ? &*draft_head_ : nullptr; }
  DraftModel* draft_model() noexcept { return draft_model_.get(); }  // where there is one
  const DraftModel* draft_model() const noexcept { return draft_model_.get(); }
  bool drafts() const noexcept { return model_->info().has_head || draft_model_ != nullptr; }  // a model does
  SamplerScratch& sampler_scratch() noexcept { return scratch_; }
  // The vocabulary as grammars look at it; made when it is first asked for. From any thread.
  const std::shared_ptr<const grammar::TokenTrie>& token_trie();
  // Tells the file's model from every other one (engine/model_identity.h); made when it is first asked for. From any
  // thread. Throws Error{kSystem} where the file cannot be read any more.
  const std::string& identity();
  // What steps cost here: a guess until calibrate() has measured them.
  StepCosts& costs() noexcept { return costs_; }

  const MemoryPlan& plan() const noexcept { return plan_; }
  // What the weights and buffers take; a session adds its own. Together they are the plan's parts.
  std::vector<MemoryPart> memory() const;

 private:
  void pack_some(const LoadProgress& progress);
  void take_packed();

  Clock::time_point start_ = Clock::now();
  EngineOptions options_;
  gguf::File file_;
  HeadVerdict verdict_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<DraftModel> draft_model_;
  MemoryPlan plan_;
  ThreadPool pool_;
  std::unique_ptr<Tokenizer> tokenizer_;
  Ctx ctx_;
  StateShape shape_;
  Buffer logits_, logits_max_, gathered_;
  std::optional<DraftHead> draft_head_;
  SamplerScratch scratch_;
  StepCosts costs_;
  std::once_flag trie_made_, identity_made_;
  std::shared_ptr<const grammar::TokenTrie> trie_;
  std::string identity_;
  bool packed_ = false;
  double load_ms_ = 0, pack_ms_ = 0;
};

// The sampler's defaults: the file's general.sampling.* keys where it has them. Throws Error{kFile} for values out of
// range.
SamplerParams sampling_defaults(const gguf::File& file);

}  // namespace nextn
