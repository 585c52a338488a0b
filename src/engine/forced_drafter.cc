#include "engine/forced_drafter.h"

namespace nextn {

namespace {

// The last token may go on with text that is not forced; how often it does is learned apart from the others.
constexpr float kSure = 0.99f, kLast = 0.6f;

}  // namespace

void ForcedDrafter::begin(std::span<const int32_t>) noexcept {
  n_ = 0;
  ids_.clear();
  const std::string text = constraint_.forced();
  if (!text.empty()) ids_ = tokenizer_.encode(text, false, false);
}

bool ForcedDrafter::next(Ctx&, Draft* draft) noexcept {
  if (n_ == ids_.size()) return false;
  *draft = {ids_[n_], n_ + 1 < ids_.size() ? kSure : kLast};
  n_++;
  return true;
}

}  // namespace nextn
