// Texts that have left their slots, in memory: a later prompt that begins like one of them goes on from its state or
// from one of its checkpoints. At most so many bytes; the text that saves least for its size goes first.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"

namespace nextn {

class Session;

constexpr int64_t kWorthKeeping = 64;  // tokens of a text that goes on otherwise: fewer are hardly missed

class PrefixCache {
 public:
  explicit PrefixCache(uint64_t limit) noexcept : limit_(limit) {}  // bytes

  // Keeps a copy of the session's text, its state, which becomes the canonical one, and its checkpoints, unless there
  // is no room for that. Texts that are its beginnings make way for it.
  void put(Session& session) noexcept;
  // Tokens of the prompt that a session would not have to run after take(); 0: no text is of use.
  int64_t resumable(std::span<const int32_t> prompt) const noexcept;
  // Puts the text that resumable() speaks of, of which there is one, into the session, and keeps what the session has.
  // The text stays where the prompt leaves much of it out. Throws std::bad_alloc; the session is then empty.
  void take(std::span<const int32_t> prompt, Session& session);

  size_t n_texts() const noexcept { return texts_.size(); }
  uint64_t bytes() const noexcept { return bytes_; }

 private:
  struct Text {
    std::vector<int32_t> tokens;
    std::vector<int64_t> checkpoints;  // their lengths, rising
    AlignedBuffer memory;              // the session's pieces, then the checkpoints
    double worth;

    int64_t resumable(std::span<const int32_t> prompt) const noexcept;
    uint64_t bytes() const noexcept;
  };

  bool make_room(uint64_t bytes) noexcept;
  double worth_of(const Text& text, uint64_t bytes) const noexcept;
  static void fill(Session& session, const Text& text);
  void drop(std::vector<Text>::iterator text) noexcept;

  uint64_t limit_, bytes_ = 0;
  // GreedyDual-Size (Cao and Irani, USITS 1997): a text is worth what it saves, in tokens, for each byte, more than
  // what was dropped last had. So a text that nobody comes back to is overtaken by later ones, whatever it saves.
  double worth_of_last_dropped_ = 0;
  std::vector<Text> texts_;
};

}  // namespace nextn
