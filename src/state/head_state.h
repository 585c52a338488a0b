// What one sequence remembers of the MTP head: its own keys and values, and the trunk's hidden states that the head has
// not seen yet. The head's row at position p is the pair (token p, hidden state of p - 1); row 0 has a hidden state of
// zeros.
//
// length() positions have their final keys and values, made from the trunk's true hidden states. The backlog holds the
// hidden states of positions length() - 1 and on, as many as the trunk has gone ahead. Rows that a draft appends beyond
// come from the head's own hidden states; they are overwritten when the trunk has caught up.
#pragma once

#include <cstdint>

#include "base/aligned_buffer.h"
#include "state/sequence_state.h"

namespace nextn {

// What a HeadState takes.
struct HeadBytes {
  size_t kv = 0, backlog = 0;
};
HeadBytes head_bytes(const StateShape& shape, KvType k_type, KvType v_type, int backlog_limit) noexcept;

class HeadState {
 public:
  // backlog_limit: hidden states that can wait, at least 1; to follow a trunk that verifies k drafts,
  // at least k + 1. Throws Error{kSystem}.
  HeadState(const StateShape& shape, KvType k_type, KvType v_type, int backlog_limit);

  int64_t length() const noexcept { return length_; }
  KvView kv() noexcept;

  // Rows waiting for their keys and values, the pair of the trunk's next token included.
  int backlog() const noexcept { return backlog_; }
  int backlog_limit() const noexcept { return backlog_limit_; }
  const float* backlog_hidden() const noexcept { return hidden_.as<float>(); }  // (backlog, n_embd)

  void push_hidden(const float* hidden) noexcept;  // (n_embd), of the next position
  void consume(int n) noexcept;                    // the first n rows of the backlog have their keys and values now
  void extend(int n) noexcept { length_ += n; }    // n more rows have theirs, straight from a prompt's hidden states
  void clear() noexcept;                           // empty sequence: a backlog of one row of zeros
  // The caller has put the keys and values of `length` positions into kv(); hidden is that of the last one.
  void restore(int64_t length, const float* hidden) noexcept;

  size_t kv_bytes_taken() const noexcept { return kv_.size(); }
  size_t backlog_bytes_taken() const noexcept { return hidden_.size(); }

 private:
  int64_t n_ctx_, n_kv_heads_, head_dim_, n_embd_;
  KvType k_type_, v_type_;
  int backlog_limit_;
  int64_t length_ = 0;
  int backlog_ = 0;
  AlignedBuffer kv_, hidden_;
};

}  // namespace nextn
