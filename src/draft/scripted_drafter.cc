#include "draft/scripted_drafter.h"

namespace nextn {

bool ScriptedDrafter::next(Ctx&, Draft* draft) noexcept {
  const int32_t right = at_ < text_.size() ? text_[at_] : 0, wrong = (right + 1) % n_vocab_;
  at_++;
  random_ = random_ * 6364136223846793005u + 1442695040888963407u;
  const bool lucky = (random_ >> 33) % 3 != 0;
  *draft = {script_ == DraftScript::kRight || (script_ == DraftScript::kRandom && lucky) ? right : wrong, kUnknownP};
  return true;
}

}  // namespace nextn
