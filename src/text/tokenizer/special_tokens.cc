#include "text/tokenizer/special_tokens.h"

#include <algorithm>

namespace nextn {

SpecialTokens::SpecialTokens(std::vector<Token> tokens) {
  std::stable_sort(tokens.begin(), tokens.end(), [](const Token& a, const Token& b) { return a.text < b.text; });
  for (Token& token : tokens) {
    if (token.text.empty()) continue;
    if (!tokens_.empty() && tokens_.back().text == token.text) tokens_.pop_back();
    tokens_.push_back(std::move(token));
  }
  for (uint32_t i = 0; i < tokens_.size(); i++) {
    Range& range = by_first_byte_[static_cast<uint8_t>(tokens_[i].text[0])];
    if (range.end == 0) range.begin = i;
    range.end = i + 1;
  }
}

std::optional<SpecialTokens::Match> SpecialTokens::find(std::string_view text, size_t from) const noexcept {
  for (size_t begin = from; begin < text.size(); begin++) {
    Range range = by_first_byte_[static_cast<uint8_t>(text[begin])];
    std::optional<Match> longest;
    // The tokens of `range` share their first `length` bytes with the text; the shortest of them comes first.
    for (size_t length = 1; range.begin < range.end; length++) {
      if (tokens_[range.begin].text.size() == length) {
        longest = Match{begin, length, tokens_[range.begin].id};
        range.begin++;
      }
      if (begin + length == text.size()) break;
      const auto next = static_cast<uint8_t>(text[begin + length]);
      const auto byte = [&](const Token& token) { return static_cast<uint8_t>(token.text[length]); };
      const auto first = tokens_.begin() + range.begin, last = tokens_.begin() + range.end;
      const auto same = std::ranges::equal_range(first, last, next, {}, byte);
      range = {static_cast<uint32_t>(same.begin() - tokens_.begin()),
               static_cast<uint32_t>(same.end() - tokens_.begin())};
    }
    if (longest) return longest;
  }
  return std::nullopt;
}

}  // namespace nextn
