#include "text/chat/parameter_types.h"

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

}  // namespace nextn
