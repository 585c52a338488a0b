#include "engine/constraint.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/engine.h"

namespace nextn {

Constraint::Constraint(Engine& engine, std::shared_ptr<const grammar::Grammar> grammar, std::string after, bool ends)
    : engine_(engine),
      trie_(engine.token_trie()),
      matcher_(std::move(grammar), trie_),
      after_(std::move(after)),
      ends_(ends),
      binds_(after_.empty()),
      bits_(matcher_.mask_words()) {
  const Tokenizer& tokenizer = engine.tokenizer();
  std::array<std::vector<int32_t>, 256> markers;
  for (int32_t id = 0; id < tokenizer.n_vocab(); id++) {
    if (tokenizer.is_eog(id)) end_tokens_.push_back(id);
    const std::string_view bytes = trie_->bytes(id);
    if (tokenizer.is_user_defined(id) && bytes.size() > 1) markers[static_cast<uint8_t>(bytes[0])].push_back(id);
  }
  for (int32_t place = 1; place < trie_->n_places(); place = trie_->place(place).end) {
    std::vector<int32_t>& ids = markers[trie_->place(place).byte];
    if (!ids.empty()) markers_.push_back({place, std::move(ids)});
  }
  if (!binds_ && ends_) forbid_ends();
}

// The tokens before the grammar binds: all but the ends, which would leave its text unwritten.
void Constraint::forbid_ends() {
  before_.assign(bits_.size(), ~0u);
  for (const int32_t id : end_tokens_) before_[static_cast<size_t>(id / 32)] &= ~(1u << (id % 32));
}

std::span<const uint32_t> Constraint::allowed() {
  if (!binds_) return before_;
  const bool may_end = matcher_.mask(bits_);
  prefer_markers();
  if (may_end && ends_) {
    for (const int32_t id : end_tokens_) bits_[static_cast<size_t>(id / 32)] |= 1u << (id % 32);
  }
  return bits_;
}

void Constraint::prefer_markers() {
  std::vector<std::string_view> texts;
  for (const Markers& markers : markers_) {
    texts.clear();
    for (const int32_t id : markers.ids) {
      if (is_allowed(id)) texts.push_back(trie_->bytes(id));
    }
    if (!matcher_.must_begin_with_one_of(texts)) continue;
    for (int32_t i = trie_->first_token(markers.place); i < trie_->last_token(markers.place); i++) {
      const int32_t id = trie_->by_bytes()[static_cast<size_t>(i)];
      if (std::ranges::find(markers.ids, id) != markers.ids.end()) continue;
      bits_[static_cast<size_t>(id / 32)] &= ~(1u << (id % 32));
    }
  }
}

void Constraint::begin_draft() noexcept {
  end_draft();
  drafts_ = true;
  bound_ = binds_;
  seen_of_text_ = seen_;
  mark_ = matcher_.mark();
  ended_ = complete();
}

bool Constraint::take_draft(int32_t token) noexcept {
  if (ended_) return false;
  if (ends_ && engine_.tokenizer().is_eog(token)) {
    ended_ = true;
    return binds_ && matcher_.may_end();
  }
  if (!binds_) {
    accept(token);
    return true;
  }
  if (must_be_marker(token) || !matcher_.accept(token)) return false;
  ended_ = matcher_.must_end();
  return true;
}

// What allowed() does for all tokens at once.
bool Constraint::must_be_marker(int32_t token) {
  const std::string_view bytes = trie_->bytes(token);
  const auto markers = std::ranges::find_if(markers_, [&](const Markers& m) {
    return !bytes.empty() && trie_->place(m.place).byte == static_cast<uint8_t>(bytes[0]);
  });
  if (markers == markers_.end() || std::ranges::find(markers->ids, token) != markers->ids.end()) return false;
  std::vector<std::string_view> texts;
  const grammar::Matcher::Checkpoint here = matcher_.mark();
  for (const int32_t id : markers->ids) {
    if (!matcher_.accept(id)) continue;
    matcher_.rewind(here);
    texts.push_back(trie_->bytes(id));
  }
  return matcher_.must_begin_with_one_of(texts);
}

void Constraint::end_draft() noexcept {
  if (!std::exchange(drafts_, false)) return;
  binds_ = bound_;
  seen_ = seen_of_text_;
  matcher_.rewind(mark_);
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
