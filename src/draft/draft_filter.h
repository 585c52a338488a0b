// What may follow in a draft: a grammar that binds the text binds its drafts, and one that it forbids is certain to be
// wrong. It only ever costs or saves time, as drafts do.
#pragma once

#include <cstdint>
#include <limits>
#include <span>

namespace nextn {

class DraftFilter {
 public:
  virtual ~DraftFilter() = default;

  // Begins a draft of what follows the text; what was taken for another one is forgotten.
  virtual void begin_draft() noexcept = 0;
  // Bits of the ids that it may go on with, until the next call; empty: all.
  virtual std::span<const uint32_t> allowed_in_draft() noexcept = 0;
  // The draft goes on with it. False, and the draft ends before it, where that is forbidden.
  virtual bool take_draft(int32_t token) noexcept = 0;
};

// Makes the logits -infinity that are of other ids; the first one is of id `first`. allowed: not empty.
inline void keep_allowed(float* logits, int64_t first, int64_t n, std::span<const uint32_t> allowed) noexcept {
  for (int64_t i = 0; i < n; i++) {
    const int64_t id = first + i;
    if (!(allowed[static_cast<size_t>(id / 32)] >> (id % 32) & 1)) logits[i] = -std::numeric_limits<float>::infinity();
  }
}

}  // namespace nextn
