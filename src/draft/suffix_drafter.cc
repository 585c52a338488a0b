#include "draft/suffix_drafter.h"

#include <algorithm>
#include <bit>

namespace nextn {

namespace {

constexpr int kMaxCandidates = 64;   // of a chain that are looked at
constexpr float kHalfCertain = 4.0;  // tokens of a match that is as often right as wrong, before anything is learned

}  // namespace

SuffixDrafter::SuffixDrafter(int64_t n_ctx)
    : latest_(std::bit_ceil(static_cast<size_t>(n_ctx) + 1), -1), before_(static_cast<size_t>(n_ctx) + 1) {}

size_t SuffixDrafter::slot(const int32_t* last) const noexcept {
  uint64_t hash = 0;
  for (int i = 0; i < kMinMatch; i++) hash = (hash + static_cast<uint32_t>(last[-i])) * 0x9e3779b97f4a7c15u;
  return (hash >> 32) & (latest_.size() - 1);
}

void SuffixDrafter::add(size_t position) noexcept {
  int32_t& head = latest_[slot(tokens_.data() + position)];
  before_[position] = head;
  head = static_cast<int32_t>(position);
}

// The tokens before and at `position` that equal those at the end of the text.
int SuffixDrafter::match_length(size_t position) const noexcept {
  const size_t last = tokens_.size() - 1, most = std::min<size_t>(position + 1, kMaxMatch);
  size_t n = 0;
  while (n < most && tokens_[position - n] == tokens_[last - n]) n++;
  return static_cast<int>(n);
}

void SuffixDrafter::begin(std::span<const int32_t> tokens) noexcept {
  tokens_ = tokens;
  n_ = from_ = 0;
  if (tokens.size() <= kMinMatch || tokens.size() > before_.size()) return;
  // The last position waits until it is known what follows it.
  for (n_known_ = std::max<size_t>(n_known_, kMinMatch - 1); n_known_ + 1 < tokens.size(); n_known_++) add(n_known_);
  int longest = kMinMatch - 1;
  int32_t at = latest_[slot(&tokens.back())];
  for (int i = 0; i < kMaxCandidates && at >= 0; i++, at = before_[static_cast<size_t>(at)]) {
    const int length = match_length(static_cast<size_t>(at));
    if (length <= longest) continue;
    longest = length;
    from_ = static_cast<size_t>(at) + 1;
  }
  period_ = tokens.size() - from_;
  p_ = static_cast<float>(longest) / (static_cast<float>(longest) + kHalfCertain);
}

bool SuffixDrafter::next(Ctx&, Draft* draft) noexcept {
  if (from_ == 0) return false;
  // A draft that reaches the end of the text goes on with itself.
  *draft = {tokens_[from_ + n_++ % period_], p_};
  return true;
}

}  // namespace nextn
