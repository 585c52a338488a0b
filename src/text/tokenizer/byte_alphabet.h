// GPT-2's byte alphabet: the printable stand-in, one code point for each byte, in which byte-level vocabularies and
// merges are written. 33-126, 161-172 and 174-255 stand for themselves; the other 68 bytes, in order, are U+0100 and
// on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace nextn {

// The code point that stands for a byte.
char32_t byte_letter(uint8_t byte) noexcept;

// The bytes that `text` stands for, or nothing when a character of it is not of the alphabet.
std::optional<std::string> bytes_of_letters(std::string_view text);

}  // namespace nextn
