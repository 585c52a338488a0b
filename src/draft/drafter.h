// Where drafts come from. A drafter only ever costs or saves time: what it says is verified, so the text does not
// depend on it.
#pragma once

#include <cstdint>
#include <span>

#include "ops/ctx.h"

namespace nextn {

class Drafter {
 public:
  virtual ~Drafter() = default;

  // Guesses what follows `tokens`, the sequence's whole text, its last token not yet run through the trunk. Writes at
  // most `limit` ids to `drafts` and gives their number.
  virtual int draft(Ctx& ctx, std::span<const int32_t> tokens, int limit, int32_t* drafts) noexcept = 0;
};

}  // namespace nextn
