#include "engine/engine.h"

#include <sched.h>

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "engine/draft_model.h"
#include "engine/model_identity.h"
#include "engine/tokenizer_loader.h"

namespace nextn {

namespace {

// What each thread does first: on a machine with one node, nothing.
std::function<void(int)> thread_placement(const EngineOptions& options) {
  if (options.numa == Numa::kNone) return {};
  std::vector<NumaNode> nodes = numa_nodes();
  if (nodes.size() < 2) {
    if (options.on_note) options.on_note("--numa has no effect: the machine has one memory node");
    return {};
  }
  return [nodes = std::move(nodes), numa = options.numa, home_cpu = sched_getcpu()](int i) {
    const std::vector<int> cpus = cpus_of_thread(numa, nodes, home_cpu, i);
    if (!cpus.empty()) pin_to(cpus);
  };
}

// Whether the file's pages stay in the system's cache beside everything else, so that they are read once, and nothing
// has been asked for that is done to all weights at once.
bool may_pack_later(const EngineOptions& options, const gguf::File& file, const MemoryPlan& plan) {
  return options.map && !options.lock && options.numa == Numa::kNone && options.draft_path.empty() && !plan.in_place &&
         plan.total - plan.kept_texts + file.n_bytes() <= plan.budget;
}

// Fills in what the options leave open.
MemoryPlan checked_plan(EngineOptions& options, const gguf::File& file, Model& model, const DraftModel* draft) {
  MemoryPlan plan = make_plan(options, file, model, draft, available_memory());
  if (!plan.problem.empty()) fail(ErrorCode::kSystem, "{}: {}", file.path(), plan.problem);
  if (!plan.note.empty() && options.on_note) options.on_note(plan.note);
  options.n_ctx = plan.n_ctx;
  options.n_checkpoints = plan.n_checkpoints;
  if (options.n_parallel == 0) options.n_parallel = options.n_sessions = plan.n_parallel;
  return plan;
}

}  // namespace

Engine::Engine(const EngineOptions& options)
    : options_(options),
      file_(open_model_file(options)),
      verdict_(nextn::inspect_head(file_)),
      model_(bind_model(options, file_, verdict_)),
      draft_model_(open_draft_model(options, file_)),
      plan_(checked_plan(options_, file_, *model_, draft_model_.get())),
      pool_(default_threads(options.n_threads), thread_placement(options)),
      ctx_{.kernels = select_kernels(options.isa), .pool = pool_, .act = {}, .fault = Fault::kNone},
      scratch_(1),
      costs_(StepCosts::guess(nextn::logit_rows(options_))) {
  options_.n_threads = pool_.n_threads();
  tokenizer_ = load_tokenizer(file_);
  const ModelInfo& info = model_->info();
  if (tokenizer_->n_vocab() != info.n_vocab) {
    fail(ErrorCode::kFile, "{}: tokenizer.ggml.tokens: expected {} tokens, found {}", file_.path(), info.n_vocab,
         tokenizer_->n_vocab());
  }
  model_->load(pool_, {.map = options_.map,
                       .lock = options_.lock,
                       .interleave = options_.numa == Numa::kDistribute,
                       .packing = may_pack_later(options_, file_, plan_) ? options_.packing : Packing::kAtOnce,
                       .progress = options_.progress});

  const int64_t rows = step_rows(options_);
  model_->prepare(rows);
  ctx_.act = ActBuffer(rows, info.widest_input, info.widest_block);
  const size_t tile = std::max(model_->weights().file_tile_bytes(),
                               model_->weights().loaded() ? 0 : model_->weights().loaded_tile_bytes());
  if (tile > 0) ctx_.tiles = Slots(pool_.n_threads(), tile);
  ctx_.rows = Slots(pool_.n_threads(), info.gathered_bytes);
  shape_ = nextn::state_shape(options_, *model_);
  logits_ = Buffer(logit_rows(), info.n_vocab);
  logits_max_ = Buffer(logit_rows(), info.n_logit_blocks());
  if (options_.n_parallel > 1) gathered_ = Buffer(logit_rows(), info.n_embd);
  if (info.has_head) {
    draft_head_.emplace(model_->head_lm_weight(), effective_draft_vocab(options_, *model_), options_.n_parallel,
                        model_->step_bytes());
  }
  scratch_ = SamplerScratch(static_cast<int32_t>(info.n_vocab));
  if (draft_model_) draft_model_->load(options_, pool_, ctx_.kernels);
  if (model_->weights().loaded()) take_packed();
  load_ms_ = ms_since(start_);
}

Engine::~Engine() = default;

void Engine::take_packed() {
  if (!plan_.in_place) ctx_.tiles = Slots();
  if (draft_head_) draft_head_->sketch(ctx_);
  packed_ = true;
}

void Engine::pack_some(const LoadProgress& progress) {
  if (packed_) return;
  const auto start = Clock::now();
  if (!model_->weights().loaded()) model_->weights().load_some(pool_, progress);
  if (model_->weights().loaded()) take_packed();
  pack_ms_ += ms_since(start);
}

void Engine::pack() {
  const double before = pack_ms_;
  while (!packed_) pack_some(options_.progress);
  load_ms_ += pack_ms_ - before;
  pack_ms_ = before;
}

void Engine::inject(Fault fault) {
  if (fault == Fault::kReplay && std::ranges::count(shape_.layers, LayerKind::kDeltaNet) == 0) {
    fail(ErrorCode::kUsage, "--inject replay: expected a model with delta nets, found attention alone");
  }
  ctx_.fault = fault;
}

const std::shared_ptr<const grammar::TokenTrie>& Engine::token_trie() {
  std::call_once(trie_made_, [&] {
    std::vector<std::string> tokens;
    for (int32_t id = 0; id < tokenizer_->n_vocab(); id++) {
      tokens.emplace_back(tokenizer_->is_eog(id) ? std::string_view() : tokenizer_->piece(id));
    }
    trie_ = std::make_shared<const grammar::TokenTrie>(tokens);
  });
  return trie_;
}

const std::string& Engine::identity() {
  std::call_once(identity_made_, [&] { identity_ = model_identity(file_); });
  return identity_;
}

void Engine::check_prompt(std::span<const int32_t> prompt, int room) const {
  const int64_t n_vocab = model_->info().n_vocab, limit = options_.n_ctx - room;
  if (prompt.empty()) fail(ErrorCode::kRequest, "prompt: expected at least one token, found none");
  if (static_cast<int64_t>(prompt.size()) > limit) {
    fail(ErrorCode::kRequest, "prompt: expected at most {} tokens (-c), found {}", std::max<int64_t>(limit, 0),
         prompt.size());
  }
  for (size_t i = 0; i < prompt.size(); i++) {
    if (prompt[i] < 0 || prompt[i] >= n_vocab) {
      fail(ErrorCode::kRequest, "prompt: token {}: expected an id from 0 to {}, found {}", i, n_vocab - 1, prompt[i]);
    }
  }
}

std::vector<MemoryPart> Engine::memory() const {
  std::vector<MemoryPart> parts;
  for (int role = 0; role < kNumWeightRoles; role++) {
    parts.push_back({std::string("weights_") + weight_role_name(static_cast<WeightRole>(role)),
                     model_->weight_bytes()[static_cast<size_t>(role)]});
  }
  parts.push_back({"draft_head", draft_head_bytes(options_, *model_)});
  parts.push_back({"workspace", model_->buffer_bytes(step_rows(options_)) + ctx_.act.size_bytes() +
                                    logits_.size_bytes() + logits_max_.size_bytes() + gathered_.size_bytes() +
                                    scratch_.size_bytes() + (packed_ ? ctx_.tiles.size_bytes() : 0) +
                                    ctx_.rows.size_bytes()});
  parts.push_back({"program", program_bytes(file_)});
  if (draft_model_) std::ranges::copy(draft_model_->memory(), std::back_inserter(parts));
  return parts;
}

SamplerParams sampling_defaults(const gguf::File& file) {
  SamplerParams p;
  p.temp = file.f32_or("general.sampling.temp", p.temp);
  p.top_k = file.i32_or("general.sampling.top_k", p.top_k);
  p.top_p = file.f32_or("general.sampling.top_p", p.top_p);
  p.min_p = file.f32_or("general.sampling.min_p", p.min_p);
  p.repeat_penalty = file.f32_or("general.sampling.penalty_repeat", p.repeat_penalty);
  p.penalty_last_n = file.i32_or("general.sampling.penalty_last_n", p.penalty_last_n);
  try {
    check_sampler_params(p, std::numeric_limits<int32_t>::max(), ErrorCode::kFile);
  } catch (const Error& e) {
    throw Error(e.code(), file.path() + ": general.sampling: " + e.what());
  }
  return p;
}

}  // namespace nextn
