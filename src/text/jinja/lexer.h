// A template's text cut into tokens: literal text, and names, strings, numbers and operators inside of {{ }} and {% %}.
// Whitespace goes as Hugging Face renders chat templates: trim_blocks and lstrip_blocks are on.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace nextn::jinja {

enum class TokenKind : uint8_t {
  kText,
  kBlockBegin,
  kBlockEnd,
  kPrintBegin,
  kPrintEnd,
  kName,
  kString,
  kInt,
  kFloat,
  kOperator,
  kEnd
};

struct Token {
  TokenKind kind;
  std::string text;  // of a string: its value
  int line;
};

// The last one is kEnd. Throws Error{kFile}: "chat template:LINE: expected ..., found ...".
std::vector<Token> tokenize(std::string_view source);

// Throws that, for a line.
[[noreturn]] void fail_at(int line, const std::string& what);

}  // namespace nextn::jinja
