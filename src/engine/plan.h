// What a model takes of memory, part by part, from its file's metadata and the options alone: known, and refused,
// before anything is taken. The engine and its session then take exactly this.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/system_memory.h"
#include "gguf/file.h"
#include "model/model.h"

namespace nextn {

struct EngineOptions;  // engine/engine.h
class DraftModel;      // engine/draft_model.h

struct MemoryPart {
  std::string name;
  uint64_t bytes;
};

struct MemoryPlan {
  std::vector<MemoryPart> parts;
  uint64_t total = 0;
  uint64_t in_file = 0;  // bytes of weights that stay in the file and are read through the system's cache
  // Whether matrices are among them: then every use packs them anew, which is slow, and memory of any size will do.
  bool in_place = false;
  int64_t n_ctx = 0;
  int n_parallel = 1;
  int n_checkpoints = 0;
  uint64_t kept_texts = 0;  // room for texts that no session holds: the one part that is taken as it is used
  uint64_t budget = 0;      // what there is to take
  std::string limited_by;   // what limits it
  std::string problem;      // why the plan does not fit, and the flag that would help; empty when it does
  std::string note;         // how it differs from what was asked for; empty when it does not
};

// The file that the options name. Throws as gguf::File does.
gguf::File open_model_file(const EngineOptions& options);
// Its model, bound, with the head that the options ask for. Throws Error for a file or options that are not right.
std::unique_ptr<Model> bind_model(const EngineOptions& options, const gguf::File& file, const HeadVerdict& verdict);
// The model that drafts for it, opened and bound; nullptr where the options name none. Throws as DraftModel does.
std::unique_ptr<DraftModel> open_draft_model(const EngineOptions& options, const gguf::File& file);

// Parts that come with the engine itself: what drafts are looked up in besides the MTP head, and the program with its
// tokenizer and the file's metadata (an estimate, the only one of the plan).
// options.draft_vocab, or the full head where matrices stay in the file.
int64_t effective_draft_vocab(const EngineOptions& options, const Model& model) noexcept;
uint64_t draft_head_bytes(const EngineOptions& options, const Model& model) noexcept;
uint64_t program_bytes(const gguf::File& file) noexcept;

int default_threads(int n_threads);  // as many as the machine has for 0
// Hidden states that may wait for the head: a whole cycle's and some more, so that cycles without drafts rarely stop to
// catch up.
int backlog_limit(const EngineOptions& options) noexcept;
int logit_rows(const EngineOptions& options) noexcept;                     // rows of a step that may have logits
int64_t step_rows(const EngineOptions& options) noexcept;                  // of the largest step
StateShape state_shape(const EngineOptions& options, const Model& model);  // for options.n_ctx

// Plans for `available` bytes and decides what the options leave open: as many sequences at once, up to 4, as leave the
// context what it would be with one; a context that was not given becomes what fits, and where the weights alone do not
// fit, the model is told to leave some in the file. Texts that no session holds get what options.cache_limit leaves
// after the checkpoints, or else as much as the sessions and one more, and never more than is left. Throws nothing for
// a plan that does not fit: it has `problem`.
MemoryPlan make_plan(const EngineOptions& options, const gguf::File& file, Model& model, const DraftModel* draft,
                     const AvailableMemory& available);

}  // namespace nextn
