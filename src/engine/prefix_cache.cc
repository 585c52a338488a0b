#include "engine/prefix_cache.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "engine/session.h"

namespace nextn {

uint64_t PrefixCache::Text::bytes() const noexcept {
  return memory.size() + tokens.size() * sizeof(int32_t) + checkpoints.size() * sizeof(int64_t);
}

// As Session::resumable.
int64_t PrefixCache::Text::resumable(std::span<const int32_t> prompt) const noexcept {
  const int64_t common = common_prefix(tokens, prompt);
  const int64_t most = std::min<int64_t>(common, std::ssize(prompt) - 1);
  if (most == std::ssize(tokens)) return most;
  const auto beyond = std::ranges::upper_bound(checkpoints, most);
  return beyond == checkpoints.begin() ? 0 : *std::prev(beyond);
}

void PrefixCache::drop(std::vector<Text>::iterator text) noexcept {
  bytes_ -= text->bytes();
  texts_.erase(text);
}

double PrefixCache::worth_of(const Text& text, uint64_t bytes) const noexcept {
  return worth_of_last_dropped_ + static_cast<double>(text.tokens.size()) / static_cast<double>(bytes);
}

bool PrefixCache::make_room(uint64_t bytes) noexcept {
  uint64_t in_texts = 0;
  for (const Text& text : texts_) in_texts += text.bytes();
  if (bytes_ - in_texts + bytes > limit_) return false;
  while (bytes_ + bytes > limit_) {
    const auto least = std::ranges::min_element(texts_, {}, &Text::worth);
    worth_of_last_dropped_ = least->worth;
    drop(least);
  }
  return true;
}

void PrefixCache::put(Session& session) noexcept {
  if (limit_ == 0 || session.length() == 0) return;
  session.make_canonical();
  try {
    Text text;
    text.tokens.assign(session.text().begin(), session.text().end());
    text.checkpoints = session.checkpoints().lengths();
    const std::vector<std::span<uint8_t>> pieces = session.pieces();
    size_t size = text.checkpoints.size() * session.checkpoints().bytes_of_one();
    for (const std::span<uint8_t> piece : pieces) size += piece.size();
    const uint64_t needed = text.bytes() + size;
    if (needed > limit_) return;
    for (size_t i = texts_.size(); i-- > 0;) {
      const std::vector<int32_t>& tokens = texts_[i].tokens;
      if (common_prefix(tokens, text.tokens) == std::ssize(tokens)) drop(texts_.begin() + static_cast<int64_t>(i));
    }
    if (!make_room(needed)) return;
    text.worth = worth_of(text, needed);
    text.memory = AlignedBuffer(size);
    uint8_t* to = text.memory.data();
    const auto append = [&](std::span<const uint8_t> bytes) {
      std::memcpy(to, bytes.data(), bytes.size());
      to += bytes.size();
    };
    for (const std::span<uint8_t> piece : pieces) append(piece);
    for (const int64_t length : text.checkpoints) append(session.checkpoints().bytes(length));
    texts_.push_back(std::move(text));
    bytes_ += needed;
  } catch (const std::exception&) {
    // The memory is not to be had after all: the text is not kept.
  }
}

int64_t PrefixCache::resumable(std::span<const int32_t> prompt) const noexcept {
  int64_t most = 0;
  for (const Text& text : texts_) most = std::max(most, text.resumable(prompt));
  return most;
}

void PrefixCache::take(std::span<const int32_t> prompt, Session& session) {
  texts_.reserve(texts_.size() + 1);
  const auto best = std::ranges::max_element(texts_, {}, [&](const Text& text) { return text.resumable(prompt); });
  NEXTN_CHECK(best != texts_.end());
  // Out of the way of put(), but counted: it is there until it is in the session.
  Text text = std::move(*best);
  texts_.erase(best);
  put(session);
  try {
    fill(session, text);
  } catch (...) {
    bytes_ -= text.bytes();
    throw;
  }
  if (std::ssize(text.tokens) - text.resumable(prompt) < kWorthKeeping) {
    bytes_ -= text.bytes();
  } else {
    text.worth = worth_of(text, text.bytes());
    texts_.push_back(std::move(text));
  }
}

void PrefixCache::fill(Session& session, const Text& text) try {
  session.begin_restore(text.tokens);
  const uint8_t* from = text.memory.data();
  const auto take = [&](std::span<uint8_t> bytes) {
    std::memcpy(bytes.data(), from, bytes.size());
    from += bytes.size();
  };
  for (const std::span<uint8_t> piece : session.pieces()) take(piece);
  for (const int64_t length : text.checkpoints) take(session.checkpoints().add(length));
  session.end_restore();
} catch (...) {
  session.clear();
  throw;
}

}  // namespace nextn
