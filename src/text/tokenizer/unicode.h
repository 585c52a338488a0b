// UTF-8, character classes and NFC, for text that may hold bytes that are not UTF-8. Such a byte gets a code point of
// its own beyond Unicode, so that bytes -> code points -> bytes is always the identity. Classes and NFC are utf8proc's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace nextn {

// kRawByte + b stands for the byte b where it belongs to no valid UTF-8 sequence.
inline constexpr char32_t kRawByte = 0x110000;
inline constexpr char32_t kReplacement = 0xfffd;

// Unicode's general categories, as far as the pre-tokenizers tell them apart. White space is the property White_Space
// (\s), not a category; kOther holds symbols, controls, unassigned code points and raw bytes.
enum class CharClass : uint8_t { kLetter, kMark, kNumber, kPunctuation, kSpace, kOther };

CharClass char_class(char32_t c) noexcept;

// Never fails: what is not UTF-8 (overlong forms and surrogates included) comes out as raw bytes.
std::u32string from_utf8(std::string_view text);

// Appends the UTF-8 form of a code point, or the byte itself for a raw byte.
void append_utf8(std::string& out, char32_t c);

// Normalisation form C of every stretch between raw bytes. O(n log n), whatever the combining marks.
std::u32string to_nfc(std::u32string text);

// How many bytes at the end of `text` (0 to 3) begin a UTF-8 sequence that the next bytes may complete.
size_t incomplete_utf8_suffix(std::string_view text) noexcept;

// `text` with U+FFFD for each part that is not UTF-8, one for each maximal subpart as the Unicode standard recommends.
std::string replace_invalid_utf8(std::string_view text);

}  // namespace nextn
