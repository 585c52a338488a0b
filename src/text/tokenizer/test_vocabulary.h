// For the tests: a small vocabulary made by hand. Ids 0 to 255 are the bytes; merges and special tokens follow.
#pragma once

#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/tokenizer/byte_alphabet.h"
#include "text/tokenizer/tokenizer_data.h"
#include "text/tokenizer/unicode.h"

namespace nextn {

inline std::string letters_of(std::string_view bytes) {
  std::string letters;
  for (const char byte : bytes) append_utf8(letters, byte_letter(static_cast<uint8_t>(byte)));
  return letters;
}

inline constexpr int32_t kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6;

struct TestVocabulary {
  TokenizerData data;

  explicit TestVocabulary(std::string pre = "qwen2") {
    data.model = "gpt2";
    data.pre = std::move(pre);
    for (int byte = 0; byte < 256; byte++) add(letters_of(std::string(1, static_cast<char>(byte))), kNormal);
  }

  int32_t add(std::string text, int32_t type) {
    data.tokens.push_back(std::move(text));
    data.token_types.push_back(type);
    return static_cast<int32_t>(data.tokens.size()) - 1;
  }

  // The next merge in rank, of two byte strings; the id of what it makes.
  int32_t merge(std::string_view left, std::string_view right) {
    data.merges.push_back(letters_of(left) + " " + letters_of(right));
    return add(letters_of(std::string(left) + std::string(right)), kNormal);
  }
};

inline std::string random_bytes(std::mt19937& rng, size_t n) {
  // Half of it from bytes that make up well-formed and nearly well-formed sequences.
  static constexpr std::string_view kLikely =
      "ab '\n\r 1\xcc\x81\xe2\x82\xac\xf0\x9f\x98\x80\xc3\xa9\xed\xa0\x80\xc0\xff";
  std::string bytes;
  for (size_t i = 0; i < n; i++) {
    bytes.push_back(rng() % 2 ? static_cast<char>(rng() & 0xff) : kLikely[rng() % kLikely.size()]);
  }
  return bytes;
}

}  // namespace nextn
