#include "api/fields.h"

#include <cmath>

namespace nextn::api {

namespace {

constexpr double kLarge = 1e30;  // a limit beyond it is none

}  // namespace

std::string shown(const Json& value) {
  constexpr size_t kShort = 40;
  const std::string text = value.is_structured() ? "" : to_text(value);
  if (value.is_string() && text.size() > kShort) return "a longer string";
  return value.is_structured() ? value.type_name() : text;
}

void Fields::refuse(const char* name, std::string_view expected, const Json& found) const {
  fail(ErrorCode::kRequest, "{}: expected {}, found {}", path(name), expected, shown(found));
}

const Json* Fields::find(const char* name) const {
  const auto at = object_.find(name);
  return at == object_.end() || at->is_null() ? nullptr : &*at;
}

std::optional<double> Fields::number(const char* name, double low, double high) const {
  const Json* const value = find(name);
  if (value == nullptr) return {};
  const double n = value->is_number() ? value->get<double>() : std::nan("");
  if (!(n >= low && n <= high)) {
    refuse(name, low < -kLarge ? "a number" : fmt::format("a number from {} to {}", low, high), *value);
  }
  return n;
}

std::optional<int64_t> Fields::integer(const char* name, int64_t low, int64_t high) const {
  const Json* const value = find(name);
  if (value == nullptr) return {};
  const auto refused = [&] { refuse(name, fmt::format("an integer from {} to {}", low, high), *value); };
  if (!value->is_number()) refused();
  if (value->is_number_unsigned() && value->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) refused();
  if (value->is_number_float()) {  // 5.0 is an integer to a client that has only one type of numbers
    const double n = value->get<double>();
    if (n != std::floor(n) || std::fabs(n) > 0x1p53) refused();
  }
  const int64_t n = value->is_number_float() ? static_cast<int64_t>(value->get<double>()) : value->get<int64_t>();
  if (n < low || n > high) refused();
  return n;
}

std::optional<bool> Fields::boolean(const char* name) const {
  const Json* const value = find(name);
  if (value == nullptr) return {};
  if (!value->is_boolean()) refuse(name, "true or false", *value);
  return value->get<bool>();
}

std::optional<std::string> Fields::string(const char* name) const {
  const Json* const value = find(name);
  if (value == nullptr) return {};
  if (!value->is_string()) refuse(name, "a string", *value);
  return value->get<std::string>();
}

std::optional<Fields> Fields::object(const char* name) const {
  const Json* const value = find(name);
  if (value == nullptr) return {};
  if (!value->is_object()) refuse(name, "an object", *value);
  return Fields(*value, path(name));
}

std::vector<std::string> Fields::strings(const char* name, size_t most) const {
  const Json* const value = find(name);
  if (value == nullptr) return {};
  if (value->is_string()) return {value->get<std::string>()};
  if (!value->is_array()) refuse(name, "a string or an array of strings", *value);
  if (value->size() > most) {
    fail(ErrorCode::kRequest, "{}: expected at most {} strings, found {}", path(name), most, value->size());
  }
  std::vector<std::string> out;
  for (const Json& item : *value) {
    if (!item.is_string()) refuse(name, "an array of strings", item);
    out.push_back(item.get<std::string>());
  }
  return out;
}

}  // namespace nextn::api
