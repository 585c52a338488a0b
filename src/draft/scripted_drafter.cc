#include "draft/scripted_drafter.h"

namespace nextn {

int ScriptedDrafter::draft(Ctx&, std::span<const int32_t> tokens, int limit, int32_t* drafts) noexcept {
  for (int i = 0; i < limit; i++) {
    const size_t at = tokens.size() + static_cast<size_t>(i);
    const int32_t right = at < text_.size() ? text_[at] : 0, wrong = (right + 1) % n_vocab_;
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;
    const bool lucky = (random_ >> 33) % 3 != 0;
    drafts[i] = script_ == DraftScript::kRight || (script_ == DraftScript::kRandom && lucky) ? right : wrong;
  }
  return limit;
}

}  // namespace nextn
