#include "grammar/token_trie.h"

#include <algorithm>
#include <array>

namespace nextn::grammar {

namespace {

// What grammars tell apart: each punctuation mark, space and common control character; hexadecimal letters, other
// letters, digits, the 0 and the letters of JSON's escapes.
constexpr std::array<uint8_t, 128> make_char_bits() {
  std::array<uint8_t, 128> bits{};
  uint8_t next = 6;
  for (size_t c = 0; c < 128; c++) {
    if (c >= '1' && c <= '9') {
      bits[c] = 1;
    } else if (c >= 'A' && c <= 'Z') {
      bits[c] = c <= 'F' ? 2 : 3;
    } else if (c >= 'a' && c <= 'z') {
      bits[c] = c <= 'f' ? 4 : 5;
    } else if (c >= ' ' || c == '\t' || c == '\n' || c == '\r') {
      bits[c] = next++;
    }
  }
  return bits;
}
constexpr auto kCharBits = make_char_bits();
static_assert(*std::ranges::max_element(kCharBits) < TokenTrie::kLineSeparators);

int length_of_lead(uint8_t byte) {
  return byte < 0xC2 ? 0 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : byte < 0xF5 ? 4 : 0;
}

bool is_second(uint8_t lead, uint8_t byte) {
  const uint8_t first = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const uint8_t last = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  return byte >= first && byte <= last;
}

}  // namespace

int TokenTrie::char_bit(uint8_t ascii) noexcept {
  return kCharBits[ascii & 0x7F];
}

TokenTrie::TokenTrie(const std::vector<std::string>& tokens) {
  starts_.reserve(tokens.size() + 1);
  starts_.push_back(0);
  for (const std::string& token : tokens) {
    if (!token.empty() && token.size() <= kMaxTokenBytes) {
      bytes_ += token;
      by_bytes_.push_back(static_cast<int32_t>(starts_.size()) - 1);
    }
    starts_.push_back(bytes_.size());
  }
  std::ranges::sort(by_bytes_, [this](int32_t a, int32_t b) {
    const int order = bytes(a).compare(bytes(b));
    return order != 0 ? order < 0 : a < b;
  });
  build_places();
  sum_up();
}

void TokenTrie::build_places() {
  std::vector<int32_t> path{0};  // the places of the last token's bytes, the root first
  places_.push_back({0, 0, 0, 0, 0});
  std::string_view last;
  const auto leave = [&](size_t depth) {
    for (; path.size() > depth + 1; path.pop_back())
      places_[static_cast<size_t>(path.back())].end = static_cast<int32_t>(places_.size());
  };
  for (size_t i = 0; i < by_bytes_.size(); i++) {
    const std::string_view token = bytes(by_bytes_[i]);
    const auto common = static_cast<size_t>(std::ranges::mismatch(last, token).in2 - token.begin());
    leave(common);
    for (size_t depth = common; depth < token.size(); depth++) {
      path.push_back(static_cast<int32_t>(places_.size()));
      places_.push_back({0, 0, static_cast<int32_t>(i), static_cast<uint8_t>(token[depth]), 0});
    }
    last = token;
  }
  leave(0);
  places_[0].end = static_cast<int32_t>(places_.size());
  places_.push_back({0, 0, static_cast<int32_t>(by_bytes_.size()), 0, 0});
}

// Children have higher numbers than their parents: from the last place to the first.
void TokenTrie::sum_up() {
  for (int32_t p = n_places() - 1; p >= 0; p--) {
    Place& place = places_[static_cast<size_t>(p)];
    for (int32_t child = p + 1; child < place.end; child = this->place(child).end) {
      place.chars |= this->place(child).chars;
      place.height = std::max(place.height, this->place(child).height);
    }
    if (p == 0) break;
    place.height = static_cast<uint8_t>(std::min(place.height + 1, 255));
    if (place.byte < 0x80) {
      place.chars |= uint64_t{1} << char_bit(place.byte);
    } else {
      place.chars = chars_of_lead(p);
    }
  }
}

uint64_t TokenTrie::chars_of_lead(int32_t lead) const {
  const int length = length_of_lead(place(lead).byte);
  if (length == 0) return uint64_t{1} << kNoChar;
  uint64_t chars = 0;
  // Down to the characters' last bytes, or the token's: place, how many bytes of the character it has, and those.
  struct Part {
    int32_t place;
    int n;
    uint32_t bytes;
  };
  std::vector<Part> todo{{lead, 1, place(lead).byte}};
  while (!todo.empty()) {
    const auto [p, n, bytes] = todo.back();
    todo.pop_back();
    if (n == length || first_token(p) != first_below(p))
      chars |= uint64_t{1} << ((bytes | 1) == 0xE280A9 ? kLineSeparators : kOtherChars);
    for (int32_t child = p + 1; child < place(p).end; child = place(child).end) {
      const uint8_t byte = place(child).byte;
      if (n == length) {
        chars |= place(child).chars;
      } else if (n == 1 ? is_second(place(lead).byte, byte) : (byte & 0xC0) == 0x80) {
        todo.push_back({child, n + 1, bytes << 8 | byte});
      } else {
        chars |= uint64_t{1} << kNoChar;
      }
    }
  }
  return chars;
}

}  // namespace nextn::grammar
