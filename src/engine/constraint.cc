#include "engine/constraint.h"

#include "engine/engine.h"

namespace nextn {

Constraint::Constraint(Engine& engine, std::shared_ptr<const grammar::Grammar> grammar, std::string after, bool ends)
    : engine_(engine),
      matcher_(std::move(grammar), engine.token_trie()),
      after_(std::move(after)),
      ends_(ends),
      binds_(after_.empty()),
      bits_(matcher_.mask_words()) {
  const Tokenizer& tokenizer = engine.tokenizer();
  for (int32_t id = 0; id < tokenizer.n_vocab(); id++) {
    if (tokenizer.is_eog(id)) end_tokens_.push_back(id);
  }
}

std::span<const uint32_t> Constraint::allowed() {
  if (!binds_) return {};
  if (matcher_.mask(bits_) && ends_) {
    for (const int32_t id : end_tokens_) bits_[static_cast<size_t>(id / 32)] |= 1u << (id % 32);
  }
  return bits_;
}

void Constraint::accept(int32_t token) {
  if (binds_) {
    matcher_.accept(token);
    return;
  }
  seen_ += engine_.tokenizer().piece(token, true);
  binds_ = seen_.find(after_) != std::string::npos;
  // What may still be its beginning.
  if (seen_.size() > after_.size()) seen_.erase(0, seen_.size() - after_.size());
}

}  // namespace nextn
