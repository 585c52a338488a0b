// A vocabulary as a tree of bytes: tokens that begin alike are looked at together. What a mask is computed over.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nextn::grammar {

// Immutable; any number of threads may use one at the same time.
class TokenTrie {
 public:
  static constexpr size_t kMaxTokenBytes = 1000;

  // The bytes of each token, by id. What has none (control and unused tokens) or more than kMaxTokenBytes is never
  // allowed by a mask.
  explicit TokenTrie(const std::vector<std::string>& tokens);

  // A place in the tree; places come in the order of a walk depth first, children by rising byte. 0 is the root.
  struct Place {
    uint64_t chars;  // what the tokens' bytes from this place's own byte on consist of: bits of char_bit()
    int32_t end;     // the place after the last one below
    int32_t token;   // in by_bytes(): the first token that passes here; those below and here are [token, next of end)
    uint8_t byte;    // that leads here
    uint8_t height;  // bytes from here to the longest token's end, its own counted; 255: or more
  };
  const std::vector<Place>& places() const noexcept { return places_; }  // and one more after the last
  int32_t n_places() const noexcept { return static_cast<int32_t>(places_.size()) - 1; }

  // Token ids ordered by their bytes. [first_token(p), last_token(p)) pass the place or end there.
  const std::vector<int32_t>& by_bytes() const noexcept { return by_bytes_; }
  const Place& place(int32_t p) const noexcept { return places_[static_cast<size_t>(p)]; }
  int32_t first_token(int32_t p) const noexcept { return place(p).token; }
  int32_t last_token(int32_t p) const noexcept { return place(place(p).end).token; }
  int32_t first_below(int32_t p) const noexcept { return place(p + 1).token; }  // [first_token, this) end at p

  int32_t n_vocab() const noexcept { return static_cast<int32_t>(starts_.size()) - 1; }
  std::string_view bytes(int32_t token) const noexcept {
    const auto i = static_cast<size_t>(token);
    return std::string_view(bytes_).substr(starts_[i], starts_[i + 1] - starts_[i]);
  }

  // Kinds of characters, a bit each: small groups of ASCII; U+2028 and U+2029, which end a line; all others together,
  // those that a token's end cuts too; bytes that are no part of a character.
  static constexpr int kLineSeparators = 61, kOtherChars = 62, kNoChar = 63;
  static int char_bit(uint8_t ascii) noexcept;

 private:
  void build_places();
  void sum_up();
  uint64_t chars_of_lead(int32_t lead) const;

  std::string bytes_;
  std::vector<size_t> starts_;
  std::vector<int32_t> by_bytes_;
  std::vector<Place> places_;
};

}  // namespace nextn::grammar
