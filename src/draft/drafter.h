// Where drafts come from. A drafter only ever costs or saves time: what it says is verified, so the text does not
// depend on it.
#pragma once

#include <cstdint>
#include <span>

#include "ops/ctx.h"

namespace nextn {

constexpr float kUnknownP = -1;

struct Draft {
  int32_t token;
  float p;  // how likely the drafter thinks it, 0 to 1, or kUnknownP
};

class Drafter {
 public:
  virtual ~Drafter() = default;

  // Begins a draft of what follows `tokens`, the sequence's whole text, its last token not yet run through the trunk.
  // The text stays where it is until the draft is done with.
  virtual void begin(std::span<const int32_t> tokens) noexcept = 0;

  // One more token of it. Gives false when there is none to be had.
  virtual bool next(Ctx& ctx, Draft* draft) noexcept = 0;

  // The trunk's token where the draft has its token number n; that it was right so far. Need not be called.
  virtual void saw(Ctx&, int /*n*/, int32_t /*token*/) noexcept {}
};

}  // namespace nextn
