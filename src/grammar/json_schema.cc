#include "grammar/json_schema.h"

#include <algorithm>

#include "grammar/schema_compiler.h"
#include "grammar/schema_keywords.h"
#include "grammar/schema_merge.h"
#include "grammar/text_cursor.h"

namespace nextn::grammar {

namespace {

std::string unescaped(std::string_view name) {
  std::string plain;
  for (size_t i = 0; i < name.size(); i++) {
    const std::string_view rest = name.substr(i);
    if (rest.starts_with("~0") || rest.starts_with("~1")) {
      plain += rest[1] == '0' ? '~' : '/';
      i++;
    } else {
      plain += name[i];
    }
  }
  return plain;
}

}  // namespace

SchemaCompiler::SchemaCompiler(const Json& root, std::string path, GrammarBuilder& builder, JsonText& text)
    : root_(root), path_(std::move(path)), b_(builder), text_(text) {
  count_values(root_, 0);
}

Expr SchemaCompiler::value() {
  return b_.call(target("#", {root_, path_}));
}

Expr SchemaCompiler::object() {
  return value({merge(Json{{"type", "object"}}, root_, path_), path_}, 0);
}

std::vector<SchemaCompiler::Property> SchemaCompiler::properties() {
  object_ = merge(Json{{"type", "object"}}, root_, path_);
  for (int depth = 0; object_->is_object() && (object_->contains("$ref") || object_->contains("allOf")); depth++) {
    if (depth > kMaxDepth)
      fail(ErrorCode::kRequest, "{}: expected at most {} levels of schemas, found more", path_, kMaxDepth);
    check_keywords({*object_, path_});
    object_ = merged({*object_, path_});
  }
  const Place at{*object_, path_};
  if (!object_->is_object()) fail(ErrorCode::kRequest, "{}: expected a schema of objects, found none", path_);
  check_keywords(at);
  for (const char* key : {"anyOf", "oneOf", "const", "enum"}) {
    if (at.has(key)) at.error(key, "not supported where a model writes parameters one by one");
  }
  if (types(at) != std::vector<std::string>{"object"}) at.error("type", "expected object");
  return properties(at);
}

Expr SchemaCompiler::value_of(const Property& property, const BareText& bare) {
  bare_ = &bare;
  const Expr written = value({property.schema, property.path}, 1);
  bare_ = nullptr;
  return written;
}

void SchemaCompiler::finish() {
  while (!waiting_.empty()) {
    const auto [rule, schema, path] = waiting_.back();
    waiting_.pop_back();
    b_.define(rule, value({*schema, path}, 0));
  }
}

void SchemaCompiler::count_values(const Json& json, int depth) {
  // Keywords take two levels for a schema (properties, then the name), and constants have their own limit.
  if (++n_values_ > kMaxValues || depth > 3 * kMaxDepth)
    fail(ErrorCode::kRequest, "{}: expected at most {} values and {} levels, found more", path_, kMaxValues,
         3 * kMaxDepth);
  if (json.is_structured())
    for (const Json& element : json) count_values(element, depth + 1);
}

SchemaCompiler::Json SchemaCompiler::merge(const Json& a, const Json& b, const std::string& path) {
  Json merged = merge_schemas(a, b, path);
  count_values(merged, 0);
  return merged;
}

// What "#/a/b" names.
SchemaCompiler::Place SchemaCompiler::find(const Place& from) {
  const Json& ref = from["$ref"];
  if (!ref.is_string()) from.error("$ref", "expected a string");
  const auto& text = ref.get_ref<const std::string&>();
  if (text != "#" && !text.starts_with("#/"))
    from.error("$ref", fmt::format("expected # or #/..., found '{}'", shown(text)));
  const Json* schema = &root_;
  std::string path = path_;
  for (size_t at = 1; at < text.size();) {
    const size_t end = std::min(text.find('/', at + 1), text.size());
    const std::string name = unescaped(text.substr(at + 1, end - at - 1));
    at = end;
    path += '.';
    path += shown(name);
    if (schema->is_object() && schema->contains(name)) {
      schema = &(*schema)[name];
    } else if (schema->is_array() && !name.empty() && name.size() < 6 &&
               std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; }) &&
               std::stoul(name) < schema->size()) {
      schema = &(*schema)[std::stoul(name)];
    } else {
      from.error("$ref", fmt::format("expected a schema at '{}', found none", shown(text)));
    }
  }
  return {*schema, path};
}

RuleId SchemaCompiler::target(const std::string& ref, const Place& place) {
  const auto [it, is_new] = targets_.try_emplace(ref, -1);
  if (is_new) {
    it->second = b_.declare(place.path);
    waiting_.push_back({it->second, &place.schema, place.path});
  }
  return it->second;
}

Expr SchemaCompiler::value(const Place& at, int depth) {
  n_values_++;
  if (depth > kMaxDepth || n_values_ > kMaxValues)
    fail(ErrorCode::kRequest, "{}: expected at most {} levels of schemas, found more", at.path, kMaxDepth);
  if (at.schema.is_boolean()) return at.schema.get<bool>() ? text_.value() : b_.choice({});
  if (!at.schema.is_object())
    fail(ErrorCode::kRequest, "{}: expected a schema (an object or a boolean), found {}", at.path,
         at.schema.type_name());
  check_keywords(at);
  if (at.has("$ref")) return reference(at, depth);
  if (at.has("allOf")) return value({merged(at), at.path}, depth + 1);
  for (const char* key : {"anyOf", "oneOf"})
    if (at.has(key)) return any_of(at, key, depth);
  if (at.has("const") || at.has("enum")) return constants(at);
  return of_types(at, depth);
}

void SchemaCompiler::check_keywords(const Place& at) {
  for (const auto& [key, value] : at.schema.items()) {
    if (is_annotation(key) ||
        std::ranges::find(kSchemaKeywords, key, &SchemaKeyword::name) != std::end(kSchemaKeywords))
      continue;
    if ((key == "uniqueItems" || key == "nullable") && value == Json(false)) continue;
    at.error(shown(key), "this keyword is not supported");
  }
}

// What the schema says of what is valid but for a key; nothing where that is nothing.
std::optional<SchemaCompiler::Json> SchemaCompiler::without(const Json& schema, const std::string& key) {
  std::optional<Json> rest;
  for (const auto& [name, value] : schema.items()) {
    if (name == key || is_annotation(name)) continue;
    if (!rest) rest = Json::object();
    (*rest)[name] = value;
  }
  return rest;
}

Expr SchemaCompiler::reference(const Place& at, int depth) {
  if (without(at.schema, "$ref")) return value({merged(at), at.path}, depth + 1);
  const Place found = find(at);
  if (bare_ != nullptr) return value(found, depth + 1);
  return b_.call(target(at["$ref"].get<std::string>(), found));
}

const SchemaCompiler::Json& SchemaCompiler::list(const Place& at, const char* key) {
  const Json& all = at[key];
  if (!all.is_array() || all.empty()) at.error(key, "expected a list that is not empty");
  return all;
}

// One schema of a $ref or allOf and what stands beside it.
SchemaCompiler::Json SchemaCompiler::merged(const Place& at) {
  if (at.has("$ref")) return merge(without(at.schema, "$ref").value_or(Json(true)), find(at).schema, at.path);
  Json merged = without(at.schema, "allOf").value_or(Json(true));
  size_t i = 0;
  for (const Json& part : list(at, "allOf")) {
    const std::string path = at.path_of(fmt::format("allOf.{}", i++));
    if (part.is_object()) check_keywords({part, path});
    // A reference is looked up, for its keywords; one to this very schema ends at the limit of depth.
    const bool is_reference = part.is_object() && part.contains("$ref");
    if (is_reference) {
      merged = merge(merged, without(part, "$ref").value_or(Json(true)), path);
      merged = merge(merged, find({part, path}).schema, path);
    } else {
      merged = merge(merged, part, path);
    }
  }
  return merged;
}

Expr SchemaCompiler::any_of(const Place& at, const char* key, int depth) {
  const std::optional<Json> rest = without(at.schema, key);
  std::vector<Expr> any;
  size_t i = 0;
  for (const Json& part : list(at, key)) {
    const std::string path = at.path_of(fmt::format("{}.{}", key, i++));
    any.push_back(rest ? value({merge(*rest, part, path), path}, depth + 1) : value({part, path}, depth + 1));
  }
  return b_.choice(any);
}

std::shared_ptr<const Grammar> parse_json_schema(const nlohmann::ordered_json& schema) {
  GrammarBuilder builder("json_schema");
  JsonText text(builder);
  SchemaCompiler compiler(schema, "json_schema", builder, text);
  const RuleId root = builder.declare("json_schema");
  builder.define(root, compiler.value());
  compiler.finish();
  return builder.build(root);
}

std::shared_ptr<const Grammar> json_object_grammar() {
  GrammarBuilder builder("json_object");
  JsonText text(builder);
  const RuleId root = builder.declare("the text");
  builder.define(root, text.object());
  return builder.build(root);
}

}  // namespace nextn::grammar
