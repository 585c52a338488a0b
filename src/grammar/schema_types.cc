// The part of SchemaCompiler that knows the types.
#include <algorithm>
#include <cmath>
#include <set>

#include "grammar/json_formats.h"
#include "grammar/number_range.h"
#include "grammar/regex.h"
#include "grammar/schema_compiler.h"
#include "grammar/schema_keywords.h"
#include "grammar/text_cursor.h"

namespace nextn::grammar {

namespace {

using Json = SchemaCompiler::Json;

constexpr std::string_view kTypes[] = {"null", "boolean", "string", "integer", "number", "object", "array"};

std::string_view type_of(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::boolean:
      return "boolean";
    case Json::value_t::string:
      return "string";
    case Json::value_t::object:
      return "object";
    case Json::value_t::array:
      return "array";
    case Json::value_t::number_float: {
      const double d = value.get<double>();
      return std::trunc(d) == d ? "integer" : "number";
    }
    default:
      return "integer";
  }
}

}  // namespace

std::vector<std::string> SchemaCompiler::types(const Place& at) {
  std::vector<std::string> types;
  if (at.has("type")) {
    const Json& type = at["type"];
    for (const Json& name : type.is_array() ? type : Json::array({type})) {
      if (!name.is_string() || std::ranges::find(kTypes, name.get<std::string>()) == std::end(kTypes))
        at.error("type", fmt::format("expected null, boolean, string, integer, number, object or array, found {}",
                                     shown(name.dump(-1, ' ', false, Json::error_handler_t::replace))));
      types.push_back(name);
    }
    if (types.empty()) at.error("type", "expected a type, found an empty list");
    return types;
  }
  for (const auto& [name, type] : kSchemaKeywords) {
    if (type.empty() || !at.schema.contains(name) || std::ranges::find(types, type) != types.end()) continue;
    if (!types.empty()) at.error(name, fmt::format("expected `type` beside it, or no keyword of type {}", types[0]));
    types.emplace_back(type);
  }
  return types;
}

Expr SchemaCompiler::of_types(const Place& at, int depth) {
  const std::vector<std::string> types = this->types(at);
  if (types.empty()) return text_.value();
  std::vector<Expr> any;
  for (const std::string& type : types) {
    if (type == "string") any.push_back(string(at));
    if (is_bare(BareText::Kind::kString)) continue;
    if (type == "null") any.push_back(text_.null());
    if (type == "boolean") any.push_back(text_.boolean());
    if (type == "integer" || type == "number") any.push_back(number(at, type == "integer"));
    if (type == "object") any.push_back(object(at, depth));
    if (type == "array") any.push_back(array(at, depth));
  }
  return b_.choice(any);
}

Expr SchemaCompiler::constants(const Place& at) {
  const std::vector<std::string> types = at.has("type") ? this->types(at) : std::vector<std::string>();
  for (const auto& [name, type] : kSchemaKeywords) {
    if (!type.empty() && at.schema.contains(name)) at.error(name, "expected no such keyword beside enum or const");
  }
  const Json single = at.has("const") ? Json::array({at["const"]}) : Json();
  const Json& all = at.has("const") ? single : list(at, "enum");
  std::vector<Expr> any;
  for (const Json& value : all) {
    const std::string_view type = type_of(value);
    const bool fits = types.empty() || std::ranges::find(types, type) != types.end() ||
                      (type == "integer" && std::ranges::find(types, "number") != types.end());
    const bool in_enum = !at.has("const") || !at.has("enum") ||
                         (at["enum"].is_array() && std::ranges::find(at["enum"], value) != at["enum"].end());
    if (!fits || !in_enum) continue;
    if (bare_ != nullptr && value.is_string() && bare_->is_itself(value.get<std::string>())) {
      any.push_back(text_.allowed(b_.literal(value.get_ref<const std::string&>())));
    } else if (!is_bare(BareText::Kind::kString)) {
      any.push_back(text_.constant(value));
    }
  }
  if (any.empty()) at.error(at.has("const") ? "const" : "enum", "expected a value of the schema's type, found none");
  return b_.choice(any);
}

std::optional<int> SchemaCompiler::count(const Place& at, const char* key) {
  if (!at.has(key)) return {};
  const Json& value = at[key];
  const double d = value.is_number() ? value.get<double>() : -1;
  if (!(d >= 0 && d <= kMaxCount && std::trunc(d) == d))
    at.error(key, fmt::format("expected a whole number from 0 to {}", kMaxCount));
  return static_cast<int>(d);
}

void SchemaCompiler::check_bounds(const Place& at, const char* key, int min, int max) {
  if (max != kUnbounded && max < min)
    at.error(key, fmt::format("expected at least the minimum {}, found {}", min, max));
}

Expr SchemaCompiler::string(const Place& at) {
  const bool has_length = at.has("minLength") || at.has("maxLength");
  if (int{has_length} + int{at.has("pattern")} + int{at.has("format")} > 1)
    at.error(at.has("pattern") ? "pattern" : "format",
             "expected only one of pattern, format and the bounds of the length, found two");
  // A bare text that is read as null would be no string, whatever it says; but then null is valid.
  const bool is_bare = this->is_bare(
      at.has("pattern") || at.has("format") || has_length ? BareText::Kind::kString : BareText::Kind::kStringOrNull);
  const CharWriter write = [&](const CodePointSet& set) { return is_bare ? b_.chars(set) : text_.chars(set); };
  const auto whole = [&](Expr content) { return is_bare ? text_.allowed(content) : text_.quoted(content); };
  if (at.has("pattern")) {
    if (!at["pattern"].is_string()) at.error("pattern", "expected a string");
    return whole(
        regex_expr(b_, at["pattern"].get_ref<const std::string&>(), at.path_of("pattern"), RegexMatch::kSearch, write));
  }
  if (at.has("format")) {
    const auto pattern = at["format"].is_string() ? pattern_of_format(at["format"].get<std::string>()) : std::nullopt;
    if (!pattern) at.error("format", fmt::format("expected one of {}", known_formats()));
    return whole(regex_expr(b_, *pattern, at.path_of("format"), RegexMatch::kWhole, write));
  }
  if (!has_length) return is_bare ? text_.bare() : text_.string();
  const int min = count(at, "minLength").value_or(0), max = count(at, "maxLength").value_or(kUnbounded);
  check_bounds(at, "maxLength", min, max);
  return is_bare ? text_.bare(min, max) : text_.string(min, max);
}

Expr SchemaCompiler::number(const Place& at, bool integer) {
  NumberRange range;
  const auto bound = [&](const char* key) -> std::optional<Decimal> {
    if (!at.has(key)) return {};
    const auto decimal = at[key].is_number() ? Decimal::parse(at[key].dump()) : std::nullopt;
    if (!decimal) at.error(key, "expected a number of at most 60 digits");
    return decimal;
  };
  range.min = bound("minimum");
  range.max = bound("maximum");
  if (const auto min = bound("exclusiveMinimum"); min && (!range.min || compare(*min, *range.min) >= 0)) {
    range.min = min;
    range.excludes_min = true;
  }
  if (const auto max = bound("exclusiveMaximum"); max && (!range.max || compare(*max, *range.max) <= 0)) {
    range.max = max;
    range.excludes_max = true;
  }
  if (range.min || range.max) return number_in(b_, range, integer);
  return integer ? text_.integer() : text_.number();
}

// In a rule of its own, so that it can be repeated.
Expr SchemaCompiler::own_rule(const Place& at, int depth) {
  const Expr body = value(at, depth);
  const RuleId rule = b_.declare(at.path);
  b_.define(rule, body);
  return b_.call(rule);
}

Expr SchemaCompiler::list_of(Expr one) {
  return b_.sequence({one, b_.repeat(b_.sequence({text_.comma(), one}), 0, kUnbounded)});
}

std::vector<SchemaCompiler::Property> SchemaCompiler::properties(const Place& at) const {
  static const Json none = Json::object(), any = true;
  const Json& properties = at.has("properties") ? at["properties"] : none;
  if (!properties.is_object()) at.error("properties", "expected an object");
  std::set<std::string> required;
  if (at.has("required")) {
    if (!at["required"].is_array()) at.error("required", "expected a list of names");
    for (const Json& name : at["required"]) {
      if (!name.is_string()) at.error("required", "expected a list of names");
      required.insert(name);
    }
  }
  std::vector<Property> all;
  for (const auto& [name, schema] : properties.items()) {
    all.push_back({name, schema, at.path_of("properties." + shown(name)), required.contains(name)});
  }
  for (const std::string& name : required) {
    if (properties.contains(name)) continue;
    if (at.has("additionalProperties") ? at["additionalProperties"] == Json(false) : at.has("properties"))
      at.error("required", fmt::format("expected names of properties, found '{}'", shown(name)));
    const Json& schema = at.has("additionalProperties") ? at["additionalProperties"] : any;
    all.push_back({name, schema, at.path_of("additionalProperties"), true});
  }
  return all;
}

Expr SchemaCompiler::object(const Place& at, int depth) {
  const BareText* const outside = std::exchange(bare_, nullptr);
  const Json extra = at.has("additionalProperties") ? at["additionalProperties"] : Json(!at.has("properties"));
  const std::string extra_path = at.path_of("additionalProperties");
  std::vector<GrammarBuilder::Item> members;
  std::vector<std::string> names;
  for (const Property& property : properties(at)) {
    names.push_back(property.name);
    const Expr inside = value({property.schema, property.path}, depth + 1);
    members.push_back({text_.member(text_.quoted_text(property.name), inside), property.required});
  }
  if (extra != Json(false)) {
    const Expr key = names.empty() ? text_.string() : text_.string_except(names);
    const Expr inside = extra == Json(true) ? text_.value() : own_rule({extra, extra_path}, depth + 1);
    members.push_back({list_of(text_.member(key, inside)), false});
  }
  const RuleId rule = b_.declare(at.path);
  b_.define(rule, text_.braces(text_.members(members)));
  bare_ = outside;
  return b_.call(rule);
}

Expr SchemaCompiler::array(const Place& at, int depth) {
  const BareText* const outside = std::exchange(bare_, nullptr);
  const Expr all = brackets(at, elements(at, depth));
  bare_ = outside;
  return all;
}

Expr SchemaCompiler::elements(const Place& at, int depth) {
  std::vector<Expr> prefix;
  if (at.has("prefixItems")) {
    size_t i = 0;
    for (const Json& schema : list(at, "prefixItems"))
      prefix.push_back(value({schema, at.path_of(fmt::format("prefixItems.{}", i++))}, depth + 1));
  }
  const auto n_prefix = static_cast<int>(prefix.size());
  const bool has_more = at.has("items") ? at["items"] != Json(false) : prefix.empty();
  const bool is_tuple = !at.has("items") && !prefix.empty();
  const int min = count(at, "minItems").value_or(is_tuple ? n_prefix : 0);
  int max = count(at, "maxItems").value_or(kUnbounded);
  if (!has_more && (max == kUnbounded || max > n_prefix)) max = n_prefix;
  check_bounds(at, "maxItems", min, max);

  // From the last to the first: an element, and maybe those after it.
  std::optional<Expr> rest;  // what may follow, with its comma
  if (has_more && (max == kUnbounded || max > n_prefix)) {
    const Expr one = at.has("items") ? own_rule({at["items"], at.path_of("items")}, depth + 1) : text_.value();
    const int least = std::max(min - n_prefix, 0), most = max == kUnbounded ? kUnbounded : max - n_prefix;
    const Expr next = b_.sequence({text_.comma(), one});
    if (n_prefix > 0) {
      rest = b_.repeat(next, least, most);
    } else {
      const Expr all =
          b_.sequence({one, b_.repeat(next, std::max(least - 1, 0), most == kUnbounded ? kUnbounded : most - 1)});
      return least == 0 ? b_.optional(all) : all;
    }
  }
  for (int i = n_prefix - 1; i >= 0; i--) {
    if (max != kUnbounded && i >= max) continue;
    Expr from_here = prefix[static_cast<size_t>(i)];
    if (i > 0) from_here = b_.sequence({text_.comma(), from_here});
    if (rest) from_here = b_.sequence({from_here, *rest});
    rest = i >= min ? b_.optional(from_here) : from_here;
  }
  return rest.value_or(b_.empty());
}

Expr SchemaCompiler::brackets(const Place& at, Expr elements) {
  const RuleId rule = b_.declare(at.path);
  b_.define(rule, text_.brackets(elements));
  return b_.call(rule);
}

}  // namespace nextn::grammar
