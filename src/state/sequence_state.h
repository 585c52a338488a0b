// What one sequence remembers of the trunk. Owns the bytes and computes nothing: ops read and write through the views.
//
// Rollback is replay (design decision D3): the delta-net state is that of the last sure row, and beside it stand the
// raw k, v, beta and decay of the draft rows after it. The next step applies those that were accepted, writes the state
// once, and goes on. The convolution's past is a ring of raw columns addressed by absolute position, the KV cache is
// addressed by position too. So accepting or rejecting drafts is one integer, and nothing is ever copied or restored.
//
//   begin_step(n_sure, n_draft)  the step's rows stand at position() and after
//   end_step()                   the sure rows are in: length() grew by n_sure, what was pending has been applied
//   commit(a)                    of the draft rows keep the first a: length() grows by a, a rows are pending
//
// A model that drafts runs its own drafts one by one: until commit() further steps of draft rows alone go on from
// those before, whose records they replay without writing the state.
#pragma once

#include <cstdint>
#include <vector>

#include "base/aligned_buffer.h"
#include "tensor/cache_views.h"

namespace nextn {

// What a layer of the trunk keeps: keys and values, or a delta net's memory.
enum class LayerKind : uint8_t { kAttention, kDeltaNet };

struct StateShape {
  std::vector<LayerKind> layers;
  int64_t n_ctx = 0;      // positions
  int64_t max_draft = 0;  // draft rows that are not committed yet, at most
  int64_t n_embd = 0;
  // attention layers
  int64_t n_kv_heads = 0, head_dim = 0;
  KvType k_type = KvType::kF16, v_type = KvType::kF16;
  // delta-net layers
  int64_t n_key_heads = 0, n_value_heads = 0, key_dim = 0, value_dim = 0;
  int64_t conv_channels = 0, conv_taps = 0;
};

// What a SequenceState of this shape takes. The columns of draft rows count as records: of all parts, only these depend
// on max_draft.
struct SequenceBytes {
  size_t kv = 0, delta = 0, records = 0;
};
SequenceBytes sequence_bytes(const StateShape& shape) noexcept;

class SequenceState {
 public:
  explicit SequenceState(const StateShape& shape);  // throws Error{kSystem} when the memory is not to be had

  const StateShape& shape() const noexcept { return shape_; }
  int64_t length() const noexcept { return length_; }  // tokens committed; drafts of a running step are not in it
  int n_pending() const noexcept { return n_pending_; }
  // The output-norm hidden state of position length() - 1, (n_embd); zeros for an empty sequence.
  float* pending_hidden() noexcept { return hidden_.as<float>(); }

  KvView kv(int layer) noexcept;
  DeltaView delta(int layer) noexcept;
  ConvView conv(int layer) noexcept;

  void begin_step(int n_sure, int n_draft) noexcept;
  int64_t position() const noexcept { return length_ + n_open_; }  // of the running step's first row
  int n_sure() const noexcept { return n_sure_; }
  int n_draft() const noexcept { return n_draft_; }
  void end_step() noexcept;
  void commit(int n_accepted) noexcept;
  void clear() noexcept;  // back to the empty sequence
  // The caller has put the canonical state of `length` tokens into the views.
  void restore(int64_t length) noexcept;

  // Bytes taken, by part as in SequenceBytes.
  size_t kv_bytes_taken() const noexcept { return kv_.size(); }
  size_t delta_bytes_taken() const noexcept { return delta_.size() + conv_past_bytes_ + hidden_.size(); }
  size_t record_bytes_taken() const noexcept { return records_.size() + conv_.size() - conv_past_bytes_; }

 private:
  StateShape shape_;
  std::vector<int64_t> index_;  // of a layer among those of its kind
  int64_t length_ = 0;
  int n_pending_ = 0, n_sure_ = 0, n_draft_ = 0, bank_ = 0;
  int n_open_ = 0;  // draft rows of the steps before the last one, not committed yet
  AlignedBuffer kv_, delta_, conv_, records_, hidden_;
  size_t conv_past_bytes_ = 0;
  int64_t kv_layer_ = 0, delta_layer_ = 0, conv_slots_ = 0, record_stride_ = 0;
};

}  // namespace nextn
