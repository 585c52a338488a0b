#include "engine/plan.h"

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "engine/draft_model.h"
#include "engine/engine.h"
#include "ops/ctx.h"
#include "sampling/sampler.h"
#include "state/checkpoints.h"

namespace nextn {

namespace {

constexpr int kRowsEach = 4;  // of a decoding among others, on average: its last token and drafts
constexpr int kDefaultParallel = 4;
constexpr int64_t kContextStep = 256, kLeastContext = 512;

double mib(uint64_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
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

uint64_t sum(const std::vector<MemoryPart>& parts) {
  uint64_t total = 0;
  for (const MemoryPart& part : parts) total += part.bytes;
  return total;
}

std::vector<MemoryPart> weight_parts(const Model& model) {
  std::vector<MemoryPart> parts;
  for (int role = 0; role < kNumWeightRoles; role++) {
    parts.push_back({std::string("weights_") + weight_role_name(static_cast<WeightRole>(role)),
                     model.weight_bytes()[static_cast<size_t>(role)]});
  }
  return parts;
}

// Everything but the weights.
std::vector<MemoryPart> other_parts(const EngineOptions& options, const gguf::File& file, const Model& model,
                                    const DraftModel* draft) {
  const ModelInfo& info = model.info();
  const int64_t rows = step_rows(options), n_logits = logit_rows(options);
  const StateShape shape = state_shape(options, model);
  const SequenceBytes sequence = sequence_bytes(shape);
  const uint64_t n_sessions = static_cast<uint64_t>(options.n_sessions);
  std::vector<MemoryPart> parts = {
      {"draft_head", draft_head_bytes(options, model)},
      {"workspace", model.buffer_bytes(rows) + ActBuffer::size_bytes(rows, info.widest_input) +
                        static_cast<uint64_t>(n_logits * (info.n_vocab + info.n_logit_blocks() +
                                                          (options.n_parallel > 1 ? info.n_embd : 0))) *
                            sizeof(float) +
                        SamplerScratch::size_bytes(static_cast<int32_t>(info.n_vocab)) +
                        Slots::size_bytes(default_threads(options.n_threads), model.weights().file_tile_bytes()) +
                        Slots::size_bytes(default_threads(options.n_threads), info.gathered_bytes)},
      {"program", program_bytes(file)},
      {"kv", n_sessions * sequence.kv},
      {"delta_net_state", n_sessions * sequence.delta},
      {"draft_records", n_sessions * sequence.records},
      {"checkpoints", n_sessions * Checkpoints::size_bytes(shape, options.n_checkpoints)}};
  if (info.has_head) {
    const HeadBytes head = head_bytes(shape, options.head_k_type, options.head_v_type, backlog_limit(options));
    parts.push_back({"head_kv", n_sessions * head.kv});
    parts.push_back({"head_backlog", n_sessions * head.backlog});
  }
  if (draft != nullptr) std::ranges::copy(draft->plan_parts(options), std::back_inserter(parts));
  return parts;
}

uint64_t other_bytes(EngineOptions options, int64_t n_ctx, const gguf::File& file, const Model& model,
                     const DraftModel* draft) {
  options.n_ctx = n_ctx;
  return sum(other_parts(options, file, model, draft));
}

// The largest context of whole steps, at most `most`, with which everything but the weights takes at most `bytes`; 0
// when the least does not.
int64_t largest_context(const EngineOptions& options, const gguf::File& file, const Model& model,
                        const DraftModel* draft, int64_t most, uint64_t bytes) {
  const uint64_t none = other_bytes(options, 0, file, model, draft),
                 step = other_bytes(options, kContextStep, file, model, draft) - none;
  if (none > bytes) return 0;
  const uint64_t n = step == 0 ? UINT64_MAX : (bytes - none) / step;
  const int64_t n_ctx = n >= static_cast<uint64_t>(most / kContextStep) ? most : static_cast<int64_t>(n) * kContextStep;
  return n_ctx >= std::min(kLeastContext, most) ? n_ctx : 0;
}

// Of each of n sessions.
int checkpoints_within_limit(const EngineOptions& options, int n_sessions, const Model& model) {
  const uint64_t bytes = Checkpoints::size_bytes(state_shape(options, model), n_sessions);  // one of each
  return static_cast<int>(
      std::min<uint64_t>(static_cast<uint64_t>(options.n_checkpoints), options.cache_limit / bytes));
}

// What options.cache_limit leaves of the checkpoints' memory; where there is no limit, as much as the sessions take and
// one more, so that a text may come while another goes. Without checkpoints hardly anything would come back.
uint64_t kept_texts_bytes(const EngineOptions& options, const std::vector<MemoryPart>& parts) {
  if (!options.keep_texts || options.n_checkpoints == 0) return 0;
  const uint64_t n = static_cast<uint64_t>(options.n_sessions);
  uint64_t sessions = n * static_cast<uint64_t>(options.n_ctx) * sizeof(int32_t), checkpoints = 0;
  for (const MemoryPart& part : parts) {
    if (part.name == "checkpoints") checkpoints = part.bytes;
    if (part.name == "kv" || part.name == "head_kv" || part.name == "delta_net_state") sessions += part.bytes;
  }
  return options.cache_limit == UINT64_MAX ? (sessions + checkpoints) / n * (n + 1)
                                           : options.cache_limit - std::min(options.cache_limit, checkpoints);
}

// The change of flags that would make a refused plan fit.
std::string help(const EngineOptions& options, const gguf::File& file, const Model& model, const DraftModel* draft,
                 uint64_t for_others) {
  const int64_t n_ctx = largest_context(options, file, model, draft, options.n_ctx, for_others);
  if (n_ctx > 0) return fmt::format("-c {} would fit", n_ctx);
  if (options.row_limit > 64) return "a smaller -ub (fewer rows of a step) takes less";
  if (draft != nullptr) return "without -md it takes less";
  if (model.info().has_head) return "--spec-type none takes less";
  return "a smaller file is needed";
}

}  // namespace

int64_t effective_draft_vocab(const EngineOptions& options, const Model& model) noexcept {
  return model.weights().file_tile_bytes() > 0 || options.max_draft == 0 ? kDraftVocabFull : options.draft_vocab;
}

uint64_t draft_head_bytes(const EngineOptions& options, const Model& model) noexcept {
  if (!model.info().has_head) return 0;
  return DraftHead::size_bytes(model.head_lm_weight(), effective_draft_vocab(options, model), options.n_parallel) +
         static_cast<uint64_t>(options.n_sessions) * DraftTrace::size_bytes(model.info().n_embd, options.max_draft);
}

// An estimate, on the large side: what the tokenizer, the trie of its tokens (grammar/token_trie.h, made for the first
// grammar) and the file's metadata hold, and the program's own code and data.
uint64_t program_bytes(const gguf::File& file) noexcept {
  uint64_t n_strings = 0, metadata = 0;
  for (const gguf::Entry& entry : file.metadata()) {
    n_strings += entry.value.text.size();
    metadata += entry.value.data.size();
    for (const std::string_view text : entry.value.text) metadata += text.size();
  }
  const gguf::Value* const tokens = file.find("tokenizer.ggml.tokens");
  const uint64_t trie = tokens == nullptr ? 0 : tokens->text.size() * 64;
  return (10u << 20) + 2 * metadata + n_strings * 100 + trie;
}

gguf::File open_model_file(const EngineOptions& options) {
  return options.model_bytes.empty() ? gguf::File::open(options.model_path)
                                     : gguf::File::from_memory(options.model_path, options.model_bytes);
}

std::unique_ptr<Model> bind_model(const EngineOptions& options, const gguf::File& file, const HeadVerdict& verdict) {
  std::unique_ptr<Model> model = bind_model(file, wants_head(options, file, verdict));
  if (!options.map) model->weights().hold_tables();
  return model;
}

std::unique_ptr<DraftModel> open_draft_model(const EngineOptions& options, const gguf::File& file) {
  return options.draft_path.empty() ? nullptr : std::make_unique<DraftModel>(options, file);
}

int default_threads(int n_threads) {
  return n_threads > 0 ? n_threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

int backlog_limit(const EngineOptions& options) noexcept {
  return 2 * (options.max_draft + 1) + 8;
}

int logit_rows(const EngineOptions& options) noexcept {
  const int alone = 1 + options.max_draft;
  return options.n_parallel == 1 ? alone : std::max(alone, kRowsEach * options.n_parallel);
}

int64_t step_rows(const EngineOptions& options) noexcept {
  const int beside = options.n_parallel == 1 ? 0 : logit_rows(options);  // rows of others while a prompt is read
  return std::max(options.row_limit + beside, backlog_limit(options));
}

StateShape state_shape(const EngineOptions& options, const Model& model) {
  StateShape shape = model.state_shape();
  shape.n_ctx = options.n_ctx;
  shape.max_draft = options.max_draft;
  shape.k_type = options.k_type;
  shape.v_type = options.v_type;
  return shape;
}

MemoryPlan make_plan(const EngineOptions& asked, const gguf::File& file, Model& model, const DraftModel* draft,
                     const AvailableMemory& available) {
  MemoryPlan plan;
  EngineOptions options = asked;
  const bool given = asked.n_ctx > 0;
  const int64_t wanted = given ? asked.n_ctx : std::min<int64_t>(kDefaultContext, model.info().n_ctx_train);
  options.n_ctx = wanted;
  plan.budget = available.bytes - available.bytes / 10;
  plan.limited_by = available.limited_by;
  if (asked.memory_limit > 0 && asked.memory_limit < plan.budget) {
    plan.budget = asked.memory_limit;
    plan.limited_by = "--memory-limit";
  }

  const auto weights = [&] { return sum(weight_parts(model)); };
  uint64_t for_others = plan.budget - std::min(plan.budget, weights());
  const auto run_at_once = [&](int n) {
    options.n_parallel = options.n_sessions = n;
    options.n_checkpoints = checkpoints_within_limit(asked, n, model);
    return largest_context(options, file, model, draft, wanted, for_others) == wanted;
  };
  if (asked.n_parallel == 0) {
    int n = kDefaultParallel;
    while (!run_at_once(n) && n > 1) n--;
  } else {
    options.n_checkpoints = checkpoints_within_limit(asked, asked.n_sessions, model);
  }
  if (largest_context(options, file, model, draft, std::min(wanted, kLeastContext), for_others) == 0 && asked.map) {
    // Not even the least context fits beside all weights. What is left in the file makes room for a context, but not
    // for more of it than memory is good for.
    if (!given) {
      options.n_ctx = largest_context(options, file, model, draft, wanted, plan.budget / 4);
      if (options.n_ctx == 0) options.n_ctx = std::min(wanted, kLeastContext);
    }
    // What goes with weights in memory alone counts too, so that some weights are in the file for certain.
    const uint64_t with_all = other_bytes(options, options.n_ctx, file, model, draft);
    model.weights().leave_in_file(0);
    const uint64_t others = std::max(with_all, other_bytes(options, options.n_ctx, file, model, draft));
    for_others = plan.budget - std::min(plan.budget, weights());
    model.weights().leave_in_file(plan.budget - std::min(plan.budget, others));
    plan.in_place = true;
  } else if (!given) {
    options.n_ctx = largest_context(options, file, model, draft, wanted, for_others);
  }
  if (options.n_ctx == 0) options.n_ctx = std::min(wanted, kLeastContext);  // which does not fit either

  plan.n_ctx = options.n_ctx;
  plan.n_parallel = options.n_parallel;
  plan.n_checkpoints = options.n_checkpoints;
  plan.parts = weight_parts(model);
  for (MemoryPart& part : other_parts(options, file, model, draft)) plan.parts.push_back(std::move(part));
  plan.total = sum(plan.parts);
  plan.kept_texts = std::min(kept_texts_bytes(options, plan.parts), plan.budget - std::min(plan.budget, plan.total));
  if (options.keep_texts) plan.parts.push_back({"kept_texts", plan.kept_texts});
  plan.total += plan.kept_texts;
  for (const uint64_t bytes : model.weights().file_bytes()) plan.in_file += bytes;

  const std::string figures = fmt::format("{:.0f} MiB available ({}{})", mib(plan.budget), plan.limited_by,
                                          plan.limited_by == "--memory-limit" ? "" : ", 10 % stays free");
  if (plan.total > plan.budget) {
    plan.problem = fmt::format("memory: expected {:.0f} MiB for a context of {}, found {}; {}", mib(plan.total),
                               plan.n_ctx, figures, help(options, file, model, draft, for_others));
  } else if (plan.in_place) {
    plan.note = fmt::format("{:.0f} MiB of weights stay in the file and are packed at every use, which is slow: {}",
                            mib(plan.in_file), figures);
  }
  if (plan.n_ctx < wanted && plan.problem.empty()) {
    plan.note = fmt::format("context {} instead of {}: {}{}{}", plan.n_ctx, wanted, figures,
                            plan.note.empty() ? "" : "; ", plan.note);
  }
  return plan;
}

}  // namespace nextn
