#include "text/tokenizer/byte_alphabet.h"

#include <array>

#include "text/tokenizer/unicode.h"

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

std::optional<std::string> bytes_of_letters(std::string_view text) {
  std::string bytes;
  for (const char32_t c : from_utf8(text)) {
    if (c >= kLetters || kByteOfLetter[c] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kByteOfLetter[c]));
  }
  return bytes;
}

}  // namespace nextn
