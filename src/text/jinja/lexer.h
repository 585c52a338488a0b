// Cuts a template into texts and the tokens between its delimiters, with white space trimmed as Hugging Face sets
// jinja2 up: trim_blocks, lstrip_blocks, no newline kept at the end.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/value.h"

namespace nextn::jinja {

enum class TokenType {
  kData,         // text between tags
  kOutputBegin,  // {{
  kOutputEnd,
  kBlockBegin,  // {%
  kBlockEnd,
  kName,
  kString,
  kNumber,
  kOperator,
  kEnd,
};

struct Token {
  TokenType type;
  std::string text;  // kString: unescaped
  Value number;      // kNumber
  int line;

  bool is_name(std::string_view name) const { return type == TokenType::kName && text == name; }
  bool is_operator(std::string_view op) const { return type == TokenType::kOperator && text == op; }
  std::string described() const;  // for errors
};

// A syntax error, with the line that Template puts into its Error.
struct SyntaxError {
  int line;
  std::string message;
};

// The last token is kEnd. Throws SyntaxError.
std::vector<Token> tokenize(std::string_view source);

}  // namespace nextn::jinja
