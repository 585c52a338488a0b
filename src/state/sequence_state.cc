#include "state/sequence_state.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace nextn {

namespace {

// After commit(a) the next step looks back conv_taps - 1 columns from its first row, across at most max_draft rejected
// ones.
int64_t conv_slots(const StateShape& shape) {
  return std::max<int64_t>(1, shape.conv_taps - 1 + shape.max_draft);
}

int64_t record_stride(const StateShape& shape) {
  return shape.n_key_heads * shape.key_dim + shape.n_value_heads * (shape.value_dim + 2);
}

int64_t delta_layer(const StateShape& shape) {
  return shape.n_value_heads * shape.value_dim * shape.key_dim;
}

int64_t kv_layer(const StateShape& shape) {
  return kv_layer_bytes(shape.n_ctx, shape.n_kv_heads, shape.head_dim, shape.k_type, shape.v_type);
}

size_t floats(int64_t n) {
  return static_cast<size_t>(n) * sizeof(float);
}

}  // namespace

SequenceBytes sequence_bytes(const StateShape& shape) noexcept {
  const int64_t n_delta = std::ranges::count(shape.layers, LayerKind::kDeltaNet);
  const int64_t n_attention = static_cast<int64_t>(shape.layers.size()) - n_delta;
  const int64_t n_past = shape.conv_taps - 1;
  return {.kv = static_cast<size_t>(n_attention * kv_layer(shape)),
          .delta = floats(n_delta * (delta_layer(shape) + n_past * shape.conv_channels) + shape.n_embd),
          .records = floats(n_delta * (2 * shape.max_draft * record_stride(shape) +
                                       (conv_slots(shape) - n_past) * shape.conv_channels))};
}

SequenceState::SequenceState(const StateShape& shape)
    : shape_(shape),
      kv_layer_(kv_layer(shape)),
      delta_layer_(delta_layer(shape)),
      conv_slots_(conv_slots(shape)),
      record_stride_(record_stride(shape)) {
  int64_t n_attention = 0, n_delta = 0;
  for (const LayerKind kind : shape.layers) {
    index_.push_back(kind == LayerKind::kAttention ? n_attention++ : n_delta++);
  }
  kv_ = AlignedBuffer(static_cast<size_t>(n_attention * kv_layer_));
  delta_ = AlignedBuffer(floats(n_delta * delta_layer_));
  conv_ = AlignedBuffer(floats(n_delta * conv_slots_ * shape.conv_channels));
  conv_past_bytes_ = floats(n_delta * (shape.conv_taps - 1) * shape.conv_channels);
  records_ = AlignedBuffer(floats(n_delta * 2 * shape.max_draft * record_stride_));
  hidden_ = AlignedBuffer(floats(shape.n_embd));
}

KvView SequenceState::kv(int layer) noexcept {
  return kv_view(kv_.data() + index_[static_cast<size_t>(layer)] * kv_layer_, shape_.n_ctx, shape_.n_kv_heads,
                 shape_.head_dim, shape_.k_type, shape_.v_type);
}

DeltaView SequenceState::delta(int layer) noexcept {
  const int64_t i = index_[static_cast<size_t>(layer)];
  float* const banks = records_.as<float>() + i * 2 * shape_.max_draft * record_stride_;
  const int64_t bank = shape_.max_draft * record_stride_;
  float* const state = delta_.as<float>() + i * delta_layer_;
  float *const last = banks + bank_ * bank, *const next = banks + (1 - bank_) * bank;
  if (n_open_ > 0) return {state, last, n_open_, false, last + n_open_ * record_stride_, record_stride_};
  return {state, last, n_pending_, true, next, record_stride_};
}

ConvView SequenceState::conv(int layer) noexcept {
  return {conv_.as<float>() + index_[static_cast<size_t>(layer)] * conv_slots_ * shape_.conv_channels, conv_slots_};
}

void SequenceState::begin_step(int n_sure, int n_draft) noexcept {
  n_open_ += n_draft_;
  NEXTN_CHECK(n_sure >= 0 && n_draft >= 0 && n_open_ + n_draft <= shape_.max_draft);
  NEXTN_CHECK(n_sure == 0 || n_open_ == 0);
  NEXTN_CHECK(position() + n_sure + n_draft <= shape_.n_ctx);
  n_sure_ = n_sure;
  n_draft_ = n_draft;
}

void SequenceState::end_step() noexcept {
  if (n_open_ > 0) return;  // nothing but more records in the same bank
  length_ += n_sure_;
  n_pending_ = 0;
  bank_ = 1 - bank_;  // what was fresh is what commit() may leave pending
}

void SequenceState::commit(int n_accepted) noexcept {
  NEXTN_CHECK(n_accepted >= 0 && n_accepted <= n_open_ + n_draft_);
  length_ += n_accepted;
  n_pending_ = n_accepted;
  n_sure_ = n_draft_ = n_open_ = 0;
}

void SequenceState::clear() noexcept {
  length_ = 0;
  n_pending_ = n_sure_ = n_draft_ = n_open_ = 0;
  if (delta_.size() != 0) std::memset(delta_.data(), 0, delta_.size());
  if (hidden_.size() != 0) std::memset(hidden_.data(), 0, hidden_.size());
}

void SequenceState::restore(int64_t length) noexcept {
  NEXTN_CHECK(length >= 0 && length <= shape_.n_ctx);
  length_ = length;
  n_pending_ = n_sure_ = n_draft_ = n_open_ = 0;
}

}  // namespace nextn
