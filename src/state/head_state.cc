#include "state/head_state.h"

#include <cstring>

#include "base/error.h"

namespace nextn {

HeadBytes head_bytes(const StateShape& shape, KvType k_type, KvType v_type, int backlog_limit) noexcept {
  return {.kv = static_cast<size_t>(kv_layer_bytes(shape.n_ctx, shape.n_kv_heads, shape.head_dim, k_type, v_type)),
          .backlog = static_cast<size_t>(backlog_limit * shape.n_embd) * sizeof(float)};
}

HeadState::HeadState(const StateShape& shape, KvType k_type, KvType v_type, int backlog_limit)
    : n_ctx_(shape.n_ctx),
      n_kv_heads_(shape.n_kv_heads),
      head_dim_(shape.head_dim),
      n_embd_(shape.n_embd),
      k_type_(k_type),
      v_type_(v_type),
      backlog_limit_(backlog_limit),
      kv_(head_bytes(shape, k_type, v_type, backlog_limit).kv),
      hidden_(head_bytes(shape, k_type, v_type, backlog_limit).backlog) {
  clear();
}

KvView HeadState::kv() noexcept {
  return kv_view(kv_.data(), n_ctx_, n_kv_heads_, head_dim_, k_type_, v_type_);
}

void HeadState::push_hidden(const float* hidden) noexcept {
  NEXTN_CHECK(backlog_ < backlog_limit_);
  std::memcpy(hidden_.as<float>() + backlog_++ * n_embd_, hidden, static_cast<size_t>(n_embd_) * sizeof(float));
}

void HeadState::consume(int n) noexcept {
  NEXTN_CHECK(n <= backlog_);
  length_ += n;
  backlog_ -= n;
  float* const rows = hidden_.as<float>();
  std::memmove(rows, rows + n * n_embd_, static_cast<size_t>(backlog_ * n_embd_) * sizeof(float));
}

void HeadState::clear() noexcept {
  length_ = 0;
  backlog_ = 1;
  std::memset(hidden_.data(), 0, static_cast<size_t>(n_embd_) * sizeof(float));
}

void HeadState::restore(int64_t length, const float* hidden) noexcept {
  NEXTN_CHECK(length >= 0 && length <= n_ctx_);
  length_ = length;
  backlog_ = 0;
  push_hidden(hidden);
}

}  // namespace nextn
