#include "text/tokenizer/byte_alphabet.h"

#include <array>

namespace nextn {

namespace {

constexpr int kLetters = 0x100 + 68;  // code points below this one are letters, or nothing

constexpr bool stands_for_itself(int byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
}

constexpr std::array<char32_t, 256> kLetterOfByte = [] {
  std::array<char32_t, 256> letters{};
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; byte++) letters[byte] = stands_for_itself(byte) ? byte : next++;
  return letters;
}();

constexpr std::array<int16_t, kLetters> kByteOfLetter = [] {
  std::array<int16_t, kLetters> bytes{};
  bytes.fill(-1);
  for (int byte = 0; byte < 256; byte++) bytes[kLetterOfByte[byte]] = static_cast<int16_t>(byte);
  return bytes;
}();

}  // namespace

char32_t byte_letter(uint8_t byte) noexcept {
  return kLetterOfByte[byte];
}

// Every letter is one or two bytes of UTF-8. This runs for each token and merge while a vocabulary loads.
std::optional<std::string> bytes_of_letters(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); i++) {
    char32_t c = static_cast<uint8_t>(text[i]);
    if (c >= 0x80) {
      const bool is_pair = c >= 0xc2 && c <= 0xdf && i + 1 < text.size() && (text[i + 1] & 0xc0) == 0x80;
      if (!is_pair) return std::nullopt;
      c = (c & 0x1f) << 6 | (text[++i] & 0x3f);
    }
    if (c >= kLetters || kByteOfLetter[c] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kByteOfLetter[c]));
  }
  return bytes;
}

}  // namespace nextn
