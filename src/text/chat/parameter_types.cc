#include "text/chat/parameter_types.h"

#include <fmt/core.h>

#include "text/chat/blank.h"
#include "text/chat/json_scanner.h"

namespace nextn {

namespace {

using Json = nlohmann::ordered_json;

// The member, or null where there is none.
const Json& member(const Json& object, const char* name) {
  static const Json kNone;
  if (!object.is_object()) return kNone;
  const auto found = object.find(name);
  return found == object.end() ? kNone : *found;
}

uint8_t bits_of_name(const Json& name) {
  if (!name.is_string()) return ParameterType::kAny;
  const auto& text = name.get_ref<const std::string&>();
  if (text == "string") return ParameterType::kString;
  if (text == "integer" || text == "number") return ParameterType::kNumber;
  if (text == "boolean") return ParameterType::kBoolean;
  if (text == "null") return ParameterType::kNull;
  if (text == "array") return ParameterType::kArray;
  if (text == "object") return ParameterType::kObject;
  return ParameterType::kAny;
}

// "type": a name or several.
uint8_t bits_of_type(const Json& schema) {
  const Json& type = member(schema, "type");
  if (!type.is_array()) return bits_of_name(type);
  uint8_t bits = 0;
  for (const Json& name : type) bits |= bits_of_name(name);
  return bits;
}

ParameterType type_of(const Json& schema) {
  for (const char* const choice : {"anyOf", "oneOf"}) {
    const Json& schemas = member(schema, choice);
    if (!schemas.is_array() || schemas.empty()) continue;
    uint8_t bits = 0;
    for (const Json& one : schemas) bits |= bits_of_type(one);
    return {bits};
  }
  return {bits_of_type(schema)};
}

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

ParameterTypes::ParameterTypes(const Json& tools) {
  if (!tools.is_array()) return;
  for (const Json& tool : tools) {
    const Json& inner = member(tool, "function");
    const Json& function = inner.is_object() ? inner : tool;
    const Json& name = member(function, "name");
    if (!name.is_string()) continue;
    auto& types = functions_[name.get<std::string>()];
    const Json& properties = member(member(function, "parameters"), "properties");
    if (!properties.is_object()) continue;
    for (const auto& [key, schema] : properties.items()) types[key] = type_of(schema);
  }
}

ParameterType ParameterTypes::of(const std::string& function, const std::string& parameter) const {
  const auto types = functions_.find(function);
  if (types == functions_.end()) return {};
  const auto type = types->second.find(parameter);
  return type == types->second.end() ? ParameterType{} : type->second;
}

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
