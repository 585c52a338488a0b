#include "text/chat/bare_value.h"

#include <fmt/core.h>

#include "text/chat/blank.h"
#include "text/chat/json_scanner.h"

namespace nextn {

namespace {

// The type of a text that is JSON, by its first character.
uint8_t type_of_json(char first) {
  switch (first) {
    case '"':
      return ParameterType::kString;
    case '{':
      return ParameterType::kObject;
    case '[':
      return ParameterType::kArray;
    case 't':
    case 'f':
      return ParameterType::kBoolean;
    case 'n':
      return ParameterType::kNull;
    default:
      return ParameterType::kNumber;
  }
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) + 1 - first);
}

}  // namespace

std::string value_as_json(const std::string& text, ParameterType type) {
  const std::string_view value = trimmed(text);
  if (is_json(value) && (type.allows(type_of_json(value.front())) || !type.allows(ParameterType::kString))) {
    return std::string(value);
  }
  if (type.bits != ParameterType::kAny) {
    if (type.allows(ParameterType::kBoolean) && (value == "True" || value == "False")) {
      return value == "True" ? "true" : "false";
    }
    if (type.allows(ParameterType::kNull) && value == "None") return "null";
  }
  std::string string = "\"";
  append_escaped(string, text);
  return string += '"';
}

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20) {
          out += c;
        } else {
          out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
        }
    }
  }
}

}  // namespace nextn
