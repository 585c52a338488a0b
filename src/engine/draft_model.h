// Another, smaller model that drafts (-md): its file, its weights and what a step of it needs besides the engine's
// threads. It shares nothing else with the model whose text is written, but the meaning of token ids.
#pragma once

#include <memory>

#include "draft/model_drafter.h"
#include "engine/engine.h"

namespace nextn {

class DraftModel {
 public:
  // Opens and binds the file that options.draft_path names; nothing is taken yet. Throws Error{kFile} for a file that
  // is not right, or whose vocabulary differs from `target`'s: naming the first token that does.
  DraftModel(const EngineOptions& options, const gguf::File& target);

  // What it takes, for the plan: with a context of options.n_ctx and for options.n_sessions.
  std::vector<MemoryPart> plan_parts(const EngineOptions& options) const;
  // Takes the weights and buffers. Throws Error{kSystem}. pool and kernels outlive the model.
  void load(const EngineOptions& options, ThreadPool& pool, const KernelTable& kernels);
  // What it has taken, sequences aside.
  std::vector<MemoryPart> memory() const;

  const gguf::File& file() const noexcept { return file_; }
  DraftingModel drafting() noexcept { return {*model_, *ctx_, logits_.rows(1), logits_max_.rows(1), row_limit_}; }
  StateShape state_shape(const EngineOptions& options) const;

 private:
  gguf::File file_;
  std::unique_ptr<Model> model_;
  std::optional<Ctx> ctx_;
  Buffer logits_, logits_max_;  // of one row
  int64_t row_limit_ = 0;
};

}  // namespace nextn
