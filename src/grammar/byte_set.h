// A set of byte values.
#pragma once

#include <array>
#include <compare>
#include <cstdint>

namespace nextn::grammar {

class ByteSet {
 public:
  constexpr ByteSet() = default;
  constexpr ByteSet(uint8_t first, uint8_t last) { add(first, last); }

  constexpr void add(uint8_t byte) { words_[byte / 64] |= uint64_t{1} << byte % 64; }
  constexpr void add(uint8_t first, uint8_t last) {
    for (int byte = first; byte <= last; byte++) add(static_cast<uint8_t>(byte));
  }
  constexpr bool contains(uint8_t byte) const { return words_[byte / 64] >> byte % 64 & 1; }
  constexpr bool empty() const { return *this == ByteSet(); }

  friend constexpr auto operator<=>(const ByteSet&, const ByteSet&) = default;

 private:
  std::array<uint64_t, 4> words_{};
};

}  // namespace nextn::grammar
