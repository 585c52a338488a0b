// What an engine sees of a model: rows go in, hidden states and logits come out.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "gguf/file.h"
#include "model/weight_loader.h"
#include "ops/ctx.h"
#include "ops/matmul.h"
#include "state/head_state.h"
#include "state/sequence_state.h"

namespace nextn {

struct ModelInfo {
  std::string architecture;
  int64_t n_vocab, n_embd, n_layers;  // trunk layers
  int64_t n_ctx_train;
  int64_t widest_input;           // of any matrix: what ActBuffer must hold
  int widest_block;               // of its activations
  bool tied;                      // the LM head is the embedding table
  bool has_head;                  // an MTP head is loaded
  int n_experts, n_experts_used;  // of the layers that have any; 0 where no layer has
  int n_leading_dense;            // layers before the first one with experts, where there are any
  size_t gathered_bytes;          // what Ctx::rows must hold for each thread

  int64_t n_logit_blocks() const noexcept { return (n_vocab + ops::kMaxBlock - 1) / ops::kMaxBlock; }
};

// Layers [first, last) of the trunk.
struct LayerRange {
  int first, last;

  int n() const noexcept { return last - first; }
};

// The rows of one sequence in a step of the trunk: they stand at its position() and after; the sure rows come first.
struct SequenceRows {
  SequenceState* state;
  const int32_t* tokens;  // n_sure + n_draft ids in [0, n_vocab)
  int n_sure;
  int n_draft;
};

// Rows of one sequence for the MTP head: pair i is (tokens[i], hidden row i) at position + i, the hidden row being that
// of the position before it.
struct HeadRows {
  HeadState* state;
  const int32_t* tokens;
  const float* hidden;  // (n, n_embd)
  int64_t position;
  int n;
};

// Which rows the head computes beyond their keys and values.
enum class HeadOutput : uint8_t {
  kNone,  // prompt and catch-up: no query, no attention, no FFN (D6)
  kLast,  // each sequence's last row: a draft step, the rows before it merely catch up
  kAll,
};

// Whether the file's MTP head can be used.
struct HeadVerdict {
  enum class Kind : uint8_t { kUsable, kAbsent, kIncomplete } kind;
  std::string reason;  // of kIncomplete: which tensor, and why
};

// A model is bound first: every tensor is checked and what it takes is known, nothing is in memory yet. load() and
// prepare() take the memory; the steps come after both. (inspect_head and bind_model below do the first part.)
class Model {
 public:
  explicit Model(const gguf::File& file) : weights_(file) {}
  virtual ~Model() = default;

  // Checks and binds the trunk, and the head if it is wanted. Throws Error{kFile} or Error{kUnsupported}.
  virtual void bind(bool with_head) = 0;
  // Checks the head alone, instead of bind().
  virtual HeadVerdict inspect_head() = 0;

  // What follows is for a model that is bound.
  virtual const ModelInfo& info() const noexcept = 0;
  // What a sequence must remember; n_ctx, max_draft and the cache types are the caller's to fill in.
  virtual StateShape state_shape() const = 0;

  // The weights: what they take, and which of them stay in the file.
  WeightLoader& weights() noexcept { return weights_; }
  const WeightLoader& weights() const noexcept { return weights_; }
  // Reads the weights; see WeightLoader::load.
  void load(ThreadPool& pool, const LoadOptions& options) {
    weights_.load(pool, options);
    share_weights();
  }

  // Sizes the buffers of a step: at most row_limit rows. Called once, before the first step. Throws Error{kSystem}.
  virtual void prepare(int64_t row_limit) = 0;
  // What prepare(row_limit) takes.
  virtual size_t buffer_bytes(int64_t row_limit) const noexcept = 0;

  // Runs the trunk over the rows of a step, and begins and ends the step of every state. Gives the hidden states after
  // the output norm, (R, n_embd), in the order of the rows; valid until the next call. Fewer than all layers give
  // nothing of use, but take their share of the time.
  virtual TensorView forward(Ctx& ctx, std::span<const SequenceRows> sequences, LayerRange layers) noexcept = 0;
  TensorView forward(Ctx& ctx, std::span<const SequenceRows> sequences) noexcept {
    return forward(ctx, sequences, {0, static_cast<int>(info().n_layers)});
  }
  // out (R, n_vocab) = the trunk's LM head over hidden (R, n_embd). max, where set, (R, n_logit_blocks()): the largest
  // of every ops::kMaxBlock logits in turn, NaN where one of them is NaN.
  virtual void logits(Ctx& ctx, const TensorView& out, const TensorView& hidden,
                      const TensorView& max = {}) noexcept = 0;

  // Runs the MTP head and puts the rows' keys and values into the states' caches. Gives the head's hidden states after
  // its own norm for the rows asked for, in order; valid until the next call.
  virtual TensorView head_forward(Ctx& ctx, std::span<const HeadRows> sequences, HeadOutput output) noexcept = 0;
  // (n, n_embd): what the norm at the end of the last forward() or head_forward() read; the first n rows of its result.
  // Valid until the next call.
  virtual TensorView residual(int64_t n) noexcept = 0;

  virtual void head_logits(Ctx& ctx, const TensorView& out, const TensorView& hidden) noexcept = 0;
  // The matrix (n_vocab, n_embd) of head_logits; before load() its shape and format alone.
  virtual const Weight& head_lm_weight() const noexcept = 0;

  RoleBytes weight_bytes() const noexcept { return weights_.loaded_bytes(); }
  // Of weights in memory that a step of one row reads, each once.
  uint64_t step_bytes() const noexcept {
    const RoleBytes bytes = weight_bytes();
    const uint64_t experts = bytes[static_cast<size_t>(WeightRole::kExperts)];
    return bytes[static_cast<size_t>(WeightRole::kTrunk)] + bytes[static_cast<size_t>(WeightRole::kLmHead)] +
           (info().n_experts > 0
                ? experts / static_cast<uint64_t>(info().n_experts) * static_cast<uint64_t>(info().n_experts_used)
                : 0);
  }

 protected:
  // Points the fields that have no tensor of their own to those they share.
  virtual void share_weights() noexcept = 0;

  WeightLoader weights_;
};

// Looks at the file's MTP head without loading anything.
HeadVerdict inspect_head(const gguf::File& file);

// Checks and binds the model of a file, its head too if with_head (which inspect_head must have found usable). Throws
// Error{kFile} or Error{kUnsupported} naming the key or tensor. The file must outlive the model.
std::unique_ptr<Model> bind_model(const gguf::File& file, bool with_head);

}  // namespace nextn
