// Texts that must not occur within another one, as an automaton over bytes: where a text that goes on byte by byte
// stands between them.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace nextn::grammar {

class ForbiddenTexts {
 public:
  static constexpr int32_t kFound = -1;

  // None of them is empty.
  explicit ForbiddenTexts(const std::vector<std::string_view>& texts);

  // The state after another byte, or kFound where that ends one of the texts. It begins in state 0.
  int32_t next(int32_t state, uint8_t byte) const noexcept { return next_[static_cast<size_t>(state)][byte]; }

 private:
  std::vector<std::array<int32_t, 256>> next_;  // a state for each beginning of a text, the whole left out
};

}  // namespace nextn::grammar
