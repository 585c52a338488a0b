#include "grammar/schema_merge.h"

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "grammar/text_cursor.h"

namespace nextn::grammar {

using Json = nlohmann::ordered_json;

bool is_annotation(const std::string& keyword) {
  static constexpr std::string_view kNames[] = {"title",      "description", "default",   "examples",
                                                "deprecated", "readOnly",    "writeOnly", "$schema",
                                                "$id",        "$comment",    "$defs",     "definitions"};
  return std::ranges::find(kNames, keyword) != std::end(kNames) || keyword.starts_with("x-");
}

namespace {

Json both(const Json& a, const Json& b) {
  if (a == b || b == Json(true)) return a;
  if (a == Json(true)) return b;
  return Json{{"allOf", Json::array({a, b})}};
}

bool is_one_of(const std::string& keyword, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, keyword) != names.end();
}

Json as_list(const Json& value) {
  return value.is_array() ? value : Json::array({value});
}

Json intersection(const Json& a, const Json& b) {
  Json common = Json::array();
  for (const Json& x : as_list(a)) {
    for (const Json& y : as_list(b)) {
      if (x == y) {
        common.push_back(x);
      } else if ((x == "integer" && y == "number") || (x == "number" && y == "integer")) {
        common.push_back("integer");
      }
    }
  }
  return common;
}

// A property that `other` has and `schema` does not: what schema's additionalProperties make of it.
void add_property(Json& merged, const std::string& key, const Json& value, const Json& schema) {
  const auto extra = schema.find("additionalProperties");
  merged["properties"][key] = extra == schema.end() ? value : *extra == Json(false) ? *extra : both(value, *extra);
}

void merge_properties(Json& merged, const Json& a, const Json& b, const std::string& path) {
  const Json none = Json::object();
  const Json& in_a = a.contains("properties") ? a["properties"] : none;
  const Json& in_b = b.contains("properties") ? b["properties"] : none;
  if (!in_a.is_object() || !in_b.is_object()) fail(ErrorCode::kRequest, "{}.properties: expected an object", path);
  merged["properties"] = Json::object();
  for (const auto& [key, value] : in_a.items()) {
    if (in_b.contains(key)) {
      merged["properties"][key] = both(value, in_b[key]);
    } else {
      add_property(merged, key, value, b);
    }
  }
  for (const auto& [key, value] : in_b.items())
    if (!in_a.contains(key)) add_property(merged, key, value, a);
}

}  // namespace

Json merge_schemas(const Json& a, const Json& b, const std::string& path) {
  if (a.is_boolean()) return a.get<bool>() ? b : a;
  if (b.is_boolean()) return b.get<bool>() ? a : b;
  if (!a.is_object() || !b.is_object())
    fail(ErrorCode::kRequest, "{}: expected schemas (objects or booleans), found something else", path);
  Json merged = a;
  if (a.contains("properties") || b.contains("properties")) merge_properties(merged, a, b, path);
  for (const auto& [key, value] : b.items()) {
    if (key == "properties" || is_annotation(key)) continue;
    if (!a.contains(key) || a[key] == value) {
      merged[key] = value;
      continue;
    }
    const Json& mine = a[key];
    if (key == "type" || key == "enum") {
      merged[key] = intersection(mine, value);
      if (merged[key].empty()) fail(ErrorCode::kRequest, "{}.{}: expected one that fits all, found none", path, key);
    } else if (key == "required" && mine.is_array() && value.is_array()) {
      for (const Json& name : value)
        if (std::ranges::find(mine, name) == mine.end()) merged[key].push_back(name);
    } else if (mine.is_number() && value.is_number() &&
               is_one_of(key, {"minimum", "exclusiveMinimum", "minLength", "minItems"})) {
      merged[key] = std::max(mine, value);
    } else if (mine.is_number() && value.is_number() &&
               is_one_of(key, {"maximum", "exclusiveMaximum", "maxLength", "maxItems"})) {
      merged[key] = std::min(mine, value);
    } else if (is_one_of(key, {"additionalProperties", "items"})) {
      merged[key] = mine == Json(false) || value == Json(false) ? Json(false) : both(mine, value);
    } else if (key == "allOf" && mine.is_array() && value.is_array()) {
      merged[key].insert(merged[key].end(), value.begin(), value.end());
    } else {
      fail(ErrorCode::kRequest, "{}.{}: expected one value where schemas are combined, found two", path, shown(key));
    }
  }
  return merged;
}

}  // namespace nextn::grammar
