#include "engine/draft_model.h"

#include <algorithm>

#include "base/error.h"
#include "gguf/cursor.h"

namespace nextn {

namespace {

constexpr int32_t kUnusedToken = 5;  // tokenizer.ggml.token_type: no text has it

// "vocabulary: token 7: expected 'a', as in FILE, found 'b'". Tokens beyond the shorter vocabulary must be unused ones,
// with which publishers round its size up.
void check_vocabulary(const gguf::File& target, const gguf::File& draft) {
  const char* const kTokens = "tokenizer.ggml.tokens";
  const std::vector<std::string_view> expected = target.strings(kTokens), found = draft.strings(kTokens);
  const size_t n = std::min(expected.size(), found.size());
  for (size_t id = 0; id < n; id++) {
    if (expected[id] == found[id]) continue;
    fail(ErrorCode::kFile, "{}: {}: token {}: expected '{}', as in {}, found '{}'", draft.path(), kTokens, id,
         gguf::shown(expected[id]), target.path(), gguf::shown(found[id]));
  }
  const gguf::File& longer = expected.size() > n ? target : draft;
  const char* const kTypes = "tokenizer.ggml.token_type";
  const std::vector<int32_t> types = longer.has(kTypes) ? longer.i32s(kTypes) : std::vector<int32_t>();
  for (size_t id = n; id < std::max(expected.size(), found.size()); id++) {
    if (id < types.size() && types[id] == kUnusedToken) continue;
    fail(ErrorCode::kFile, "{}: {}: expected {} tokens, as in {}, found {}", draft.path(), kTokens, expected.size(),
         target.path(), found.size());
  }
}

}  // namespace

DraftModel::DraftModel(const EngineOptions& options, const gguf::File& target)
    : file_(gguf::File::open(options.draft_path)), model_(nextn::bind_model(file_, false)) {
  check_vocabulary(target, file_);
  if (!options.map) model_->weights().hold_tables();
}

StateShape DraftModel::state_shape(const EngineOptions& options) const {
  return nextn::state_shape(options, *model_);
}

std::vector<MemoryPart> DraftModel::plan_parts(const EngineOptions& options) const {
  const ModelInfo& info = model_->info();
  const SequenceBytes sequence = sequence_bytes(state_shape(options));
  const uint64_t n_sessions = static_cast<uint64_t>(options.n_sessions);
  uint64_t weights = 0;
  for (const uint64_t bytes : model_->weight_bytes()) weights += bytes;
  return {{"draft_model_weights", weights},
          {"draft_model_workspace", model_->buffer_bytes(options.row_limit) +
                                        ActBuffer::size_bytes(options.row_limit, info.widest_input) +
                                        static_cast<uint64_t>(info.n_vocab + info.n_logit_blocks()) * sizeof(float) +
                                        Slots::size_bytes(default_threads(options.n_threads), info.gathered_bytes)},
          {"draft_model_kv", n_sessions * sequence.kv},
          {"draft_model_state", n_sessions * sequence.delta},
          {"draft_model_records", n_sessions * sequence.records}};
}

void DraftModel::load(const EngineOptions& options, ThreadPool& pool, const KernelTable& kernels) {
  const ModelInfo& info = model_->info();
  row_limit_ = options.row_limit;
  model_->load(pool, {.map = options.map,
                      .lock = options.lock,
                      .interleave = options.numa == Numa::kDistribute,
                      .progress = options.progress});
  model_->prepare(row_limit_);
  ctx_.emplace(
      Ctx{.kernels = kernels, .pool = pool, .act = ActBuffer(row_limit_, info.widest_input, info.widest_block)});
  ctx_->rows = Slots(pool.n_threads(), info.gathered_bytes);
  logits_ = Buffer(1, info.n_vocab);
  logits_max_ = Buffer(1, info.n_logit_blocks());
}

std::vector<MemoryPart> DraftModel::memory() const {
  uint64_t weights = 0;
  for (const uint64_t bytes : model_->weight_bytes()) weights += bytes;
  return {{"draft_model_weights", weights},
          {"draft_model_workspace", model_->buffer_bytes(row_limit_) + ctx_->act.size_bytes() + logits_.size_bytes() +
                                        logits_max_.size_bytes() + ctx_->rows.size_bytes()}};
}

}  // namespace nextn
