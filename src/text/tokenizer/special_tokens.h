// A set of tokens that are found in raw text as they are written, before anything else looks at it: control tokens and
// those a user defined. The leftmost match wins and the longest of those that start there, as in the tokenizers the
// models are published with; llama.cpp takes the longest anywhere first, which differs only where two of them overlap
// in a text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nextn {

class SpecialTokens {
 public:
  struct Token {
    std::string text;
    int32_t id;
  };
  struct Match {
    size_t begin, length;
    int32_t id;
  };

  // Empty texts are ignored; of equal ones the later counts.
  explicit SpecialTokens(std::vector<Token> tokens);

  // The first token in text[from, end), or nothing. Costs at most the longest token for each position passed.
  std::optional<Match> find(std::string_view text, size_t from) const noexcept;

 private:
  struct Range {
    uint32_t begin = 0, end = 0;
  };

  std::vector<Token> tokens_;  // sorted by text, as bytes
  Range by_first_byte_[256];
};

}  // namespace nextn
