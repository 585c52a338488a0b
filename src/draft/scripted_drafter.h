// Drafts that are known to be right, known to be wrong, or random: they exercise acceptance and rollback harder than
// any model's head does. For selftest and for tests.
#pragma once

#include <vector>

#include "draft/drafter.h"

namespace nextn {

enum class DraftScript : uint8_t {
  kRight,   // the reference text's own tokens
  kWrong,   // never the reference text's token
  kRandom,  // right for about two thirds of the tokens, by a fixed sequence
};

class ScriptedDrafter final : public Drafter {
 public:
  // `text` is the whole sequence, prompt included, that the target is known to write.
  ScriptedDrafter(DraftScript script, std::vector<int32_t> text, int32_t n_vocab)
      : script_(script), text_(std::move(text)), n_vocab_(n_vocab) {}

  void begin(std::span<const int32_t> tokens) noexcept override { at_ = tokens.size(); }
  bool next(Ctx& ctx, Draft* draft) noexcept override;

 private:
  DraftScript script_;
  std::vector<int32_t> text_;
  int32_t n_vocab_;
  uint64_t random_ = 1;
  size_t at_ = 0;  // in the text
};

}  // namespace nextn
