#include "engine/engine.h"

#include <algorithm>
#include <limits>
#include <thread>

#include "base/error.h"
#include "engine/tokenizer_loader.h"

namespace nextn {

namespace {

gguf::File open_file(const EngineOptions& options) {
  return options.model_bytes.empty() ? gguf::File::open(options.model_path)
                                     : gguf::File::from_memory(options.model_path, options.model_bytes);
}

int default_threads(int asked) {
  return asked > 0 ? asked : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

bool wants_head(const EngineOptions& options, const gguf::File& file, const HeadVerdict& verdict) {
  if (options.spec == SpecType::kNone) return false;
  if (verdict.kind == HeadVerdict::Kind::kUsable) return true;
  if (options.spec == SpecType::kMtp) {
    if (verdict.kind == HeadVerdict::Kind::kAbsent) {
      fail(ErrorCode::kUsage, "{}: --spec-type mtp: expected an MTP head, the file has none", file.path());
    }
    throw Error(ErrorCode::kFile, verdict.reason);
  }
  return false;
}

}  // namespace

Engine::Engine(const EngineOptions& options)
    : options_(options),
      file_(open_file(options)),
      verdict_(nextn::inspect_head(file_)),
      pool_(default_threads(options.n_threads)),
      ctx_{.kernels = select_kernels(options.isa), .pool = pool_, .act = {}, .fault = Fault::kNone},
      scratch_(1),
      costs_(StepCosts::guess(options.max_draft)) {
  options_.n_threads = pool_.n_threads();
  const bool with_head = wants_head(options_, file_, verdict_);
  tokenizer_ = load_tokenizer(file_);
  model_ = load_model(file_, with_head, pool_, options_.progress);
  const ModelInfo& info = model_->info();
  if (tokenizer_->n_vocab() != info.n_vocab) {
    fail(ErrorCode::kFile, "{}: tokenizer.ggml.tokens: expected {} tokens, found {}", file_.path(), info.n_vocab,
         tokenizer_->n_vocab());
  }

  if (options_.n_ctx == 0) options_.n_ctx = std::min<int64_t>(kDefaultContext, info.n_ctx_train);
  const int64_t rows = std::max(options_.row_limit, backlog_limit());
  model_->prepare(rows);
  ctx_.act = ActBuffer(rows, info.widest_input);
  shape_ = model_->state_shape();
  shape_.n_ctx = options_.n_ctx;
  shape_.max_draft = options_.max_draft;
  shape_.k_type = options_.k_type;
  shape_.v_type = options_.v_type;
  logits_ = Buffer(1 + options_.max_draft, info.n_vocab);
  if (with_head) draft_logits_ = Buffer(1, info.n_vocab);
  scratch_ = SamplerScratch(static_cast<int32_t>(info.n_vocab));
  load_ms_ = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_).count();
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
  parts.push_back({"workspace", model_->buffer_bytes() + ctx_.act.size_bytes() + logits_.size_bytes() +
                                    draft_logits_.size_bytes() + scratch_.size_bytes()});
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
