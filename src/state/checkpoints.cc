#include "state/checkpoints.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace nextn {

namespace {

constexpr size_t kRecent = 2;  // the last two turns' are the likeliest to be gone back to

size_t floats(int64_t n) {
  return static_cast<size_t>(n) * sizeof(float);
}

int64_t delta_floats(const StateShape& shape) {
  return shape.n_value_heads * shape.value_dim * shape.key_dim;
}

size_t size_of_one(const StateShape& shape) {
  const int64_t n_delta = std::ranges::count(shape.layers, LayerKind::kDeltaNet);
  const size_t size = floats(
      shape.n_embd + n_delta * (delta_floats(shape) + std::max<int64_t>(0, shape.conv_taps - 1) * shape.conv_channels));
  return (size + 63) / 64 * 64;
}

}  // namespace

Checkpoints::Checkpoints(const StateShape& shape, int n)
    : size_(size_of_one(shape)), bytes_(size_ * static_cast<size_t>(n)) {
  for (int i = 0; i < n; i++) slots_.push_back({0, bytes_.data() + static_cast<size_t>(i) * size_});
}

size_t Checkpoints::size_bytes(const StateShape& shape, int n) noexcept {
  return size_of_one(shape) * static_cast<size_t>(n);
}

int64_t Checkpoints::last() const noexcept {
  return n_used_ == 0 ? 0 : slots_[n_used_ - 1].length;
}

int64_t Checkpoints::nearest(int64_t most) const noexcept {
  int64_t best = 0;
  for (size_t i = 0; i < n_used_ && slots_[i].length <= most; i++) best = slots_[i].length;
  return best;
}

std::vector<int64_t> Checkpoints::lengths() const {
  std::vector<int64_t> all;
  for (size_t i = 0; i < n_used_; i++) all.push_back(slots_[i].length);
  return all;
}

std::span<uint8_t> Checkpoints::bytes(int64_t length) noexcept {
  const Slot* const slot = find(length);
  NEXTN_CHECK(slot != nullptr);
  return {slot->bytes, size_};
}

const Checkpoints::Slot* Checkpoints::find(int64_t length) const noexcept {
  for (size_t i = 0; i < n_used_; i++) {
    if (slots_[i].length == length) return &slots_[i];
  }
  return nullptr;
}

// Where a checkpoint of this length goes: lengths only rise, so it is the last one.
uint8_t* Checkpoints::make_room(int64_t length) noexcept {
  NEXTN_CHECK(!none() && length > last());
  if (n_used_ == slots_.size()) {
    size_t least = 0;
    int64_t gap = INT64_MAX;
    for (size_t i = 0; i + kRecent < n_used_ || i == 0; i++) {
      const int64_t before = i == 0 ? 0 : slots_[i - 1].length;
      if (slots_[i].length - before < gap) {
        gap = slots_[i].length - before;
        least = i;
      }
    }
    std::rotate(slots_.begin() + static_cast<std::ptrdiff_t>(least),
                slots_.begin() + static_cast<std::ptrdiff_t>(least) + 1, slots_.end());
    n_used_--;
  }
  Slot& slot = slots_[n_used_++];
  slot.length = length;
  return slot.bytes;
}

template <class Part>
void Checkpoints::for_parts(SequenceState& state, int64_t length, const Part& part) const noexcept {
  const StateShape& shape = state.shape();
  for (int il = 0; il < static_cast<int>(shape.layers.size()); il++) {
    if (shape.layers[static_cast<size_t>(il)] != LayerKind::kDeltaNet) continue;
    part(state.delta(il).state, floats(delta_floats(shape)));
    const ConvView conv = state.conv(il);
    for (int64_t p = length - (shape.conv_taps - 1); p < length; p++) {
      // Before the text's beginning there are no columns, and nobody looks for them.
      part(conv.columns + std::max<int64_t>(p, 0) % conv.n_slots * shape.conv_channels, floats(shape.conv_channels));
    }
  }
}

void Checkpoints::save(SequenceState& state, int64_t length, const float* hidden) noexcept {
  uint8_t* to = make_room(length);
  const auto put = [&](const void* bytes, size_t n) {
    std::memcpy(to, bytes, n);
    to += n;
  };
  put(hidden, floats(state.shape().n_embd));
  for_parts(state, length, put);
}

void Checkpoints::restore(SequenceState& state, int64_t length) const noexcept {
  const Slot* const slot = find(length);
  NEXTN_CHECK(slot != nullptr);
  const uint8_t* from = slot->bytes;
  const auto take = [&](void* bytes, size_t n) {
    std::memcpy(bytes, from, n);
    from += n;
  };
  state.restore(length);
  take(state.pending_hidden(), floats(state.shape().n_embd));
  for_parts(state, length, take);
}

void Checkpoints::copy(const Checkpoints& from, int64_t length) noexcept {
  const Slot* const slot = from.find(length);
  NEXTN_CHECK(slot != nullptr && from.size_ == size_);
  std::memcpy(make_room(length), slot->bytes, size_);
}

void Checkpoints::drop_beyond(int64_t length) noexcept {
  while (n_used_ > 0 && slots_[n_used_ - 1].length > length) n_used_--;
}

}  // namespace nextn
