#include "grammar/json_schema.h"

#include <gtest/gtest.h>

#include "grammar/matches_of_test.h"

namespace nextn::grammar {
namespace {

using Json = nlohmann::ordered_json;

bool takes(const char* schema, std::string_view text) {
  return matches(parse_json_schema(Json::parse(schema)), text);
}

std::string refused(std::string_view schema) {
  return refusal([&] { parse_json_schema(Json::parse(schema)); });
}

TEST(JsonSchemaTest, AnyObject) {
  const auto grammar = json_object_grammar();
  EXPECT_TRUE(matches(grammar, "{}"));
  EXPECT_TRUE(matches(grammar, R"({"a": [1, -2.5e+10, {"b":null}], "é\n\ud83d\ude00": "\u00e9"})"));
  EXPECT_TRUE(matches(grammar, "{\n  \"a\": [\n    1,\n    2\n  ]\n}"));
  EXPECT_FALSE(matches(grammar, "[]"));
  EXPECT_FALSE(matches(grammar, " {}"));
  EXPECT_FALSE(matches(grammar, "{} "));
  EXPECT_FALSE(matches(grammar, "{\"a\" :1}"));
  EXPECT_FALSE(matches(grammar, "{\"a\":\n1}"));
  EXPECT_FALSE(matches(grammar, "{\"a\":01}"));
  EXPECT_FALSE(matches(grammar, "{\"a\":1e999}"));
  EXPECT_FALSE(matches(grammar, "{\"a\":\"\\ud800\"}"));
  EXPECT_FALSE(matches(grammar, "{\"a\":\"\xff\"}"));
  EXPECT_FALSE(matches(grammar, "{\"a\":\"\n\"}"));
  EXPECT_FALSE(matches(grammar, "{\"a\":1,}"));
}

TEST(JsonSchemaTest, WhitespaceIsBounded) {
  const std::string schema = R"({"type": "array", "items": {"type": "null"}})";
  EXPECT_TRUE(takes(schema.c_str(), "[\n" + std::string(64, ' ') + "null,\n\t\tnull\n]"));
  EXPECT_FALSE(takes(schema.c_str(), "[\n" + std::string(65, ' ') + "null]"));
  EXPECT_FALSE(takes(schema.c_str(), "[  null]"));
  EXPECT_FALSE(takes(schema.c_str(), "[null,\n\nnull]"));
}

TEST(JsonSchemaTest, PropertiesInOrderOptionalOnesLeftOut) {
  const char* schema = R"({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"},
                           "c": {"type": "boolean"}}, "required": ["b"]})";
  EXPECT_TRUE(takes(schema, R"({"a":1,"b":"x","c":true})"));
  EXPECT_TRUE(takes(schema, R"({"b":"x"})"));
  EXPECT_TRUE(takes(schema, R"({"b":"x","c":false})"));
  EXPECT_FALSE(takes(schema, R"({"b":"x","a":1})"));
  EXPECT_FALSE(takes(schema, R"({"a":1})"));
  EXPECT_FALSE(takes(schema, R"({})"));
  EXPECT_FALSE(takes(schema, R"({"b":"x","d":1})"));  // closed where nothing is said
  EXPECT_TRUE(takes(R"({"properties": {}})", "{}"));
  EXPECT_FALSE(takes(R"({"properties": {}})", R"({"a":1})"));
  EXPECT_TRUE(takes(R"({"type": "object"})", R"({"a":1})"));
}

TEST(JsonSchemaTest, AdditionalPropertiesDifferFromTheOthers) {
  const char* schema =
      R"({"properties": {"a": {"type": "integer"}, "ab": {"type": "integer"}, "q\"": {"type": "integer"}},
                           "additionalProperties": {"type": "string"}})";
  EXPECT_TRUE(takes(schema, R"({"a":1,"x":"y","abc":"z","":"e"})"));
  EXPECT_TRUE(takes(schema, R"({"q":"y","q\"\"":"z"})"));
  EXPECT_FALSE(takes(schema, R"({"a":"y"})"));
  EXPECT_FALSE(takes(schema, R"({"\u0061":"y"})"));
  EXPECT_FALSE(takes(schema, R"({"q\"":"y"})"));
  EXPECT_FALSE(takes(schema, R"({"x":1})"));
  EXPECT_TRUE(takes(R"({"required": ["r"], "type": "object"})", R"({"r":[],"x":1})"));
  EXPECT_FALSE(takes(R"({"required": ["r"], "type": "object"})", R"({"x":1})"));
}

TEST(JsonSchemaTest, Arrays) {
  const char* bounded = R"({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3})";
  EXPECT_FALSE(takes(bounded, "[]"));
  EXPECT_TRUE(takes(bounded, "[1, 2,3]"));
  EXPECT_FALSE(takes(bounded, "[1,2,3,4]"));
  const char* tuple = R"({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]})";
  EXPECT_TRUE(takes(tuple, R"([1,"a"])"));
  EXPECT_FALSE(takes(tuple, R"([1])"));
  EXPECT_FALSE(takes(tuple, R"([1,"a",2])"));
  const char* open = R"({"prefixItems": [{"type": "integer"}], "items": {"type": "null"}, "minItems": 2})";
  EXPECT_TRUE(takes(open, "[1,null,null]"));
  EXPECT_FALSE(takes(open, "[1]"));
  EXPECT_TRUE(takes(R"({"type": "array", "maxItems": 0})", "[]"));
}

TEST(JsonSchemaTest, StringsBoundsPatternsFormats) {
  const char* bounded = R"({"type": "string", "minLength": 1, "maxLength": 2})";
  EXPECT_TRUE(takes(bounded, "\"中\\ud83d\\ude00\""));
  EXPECT_FALSE(takes(bounded, "\"\""));
  EXPECT_FALSE(takes(bounded, "\"abc\""));
  EXPECT_TRUE(takes(R"({"pattern": "b\"+"})", R"("ab\"\"c")"));
  EXPECT_FALSE(takes(R"({"pattern": "^b"})", R"("ab")"));
  EXPECT_TRUE(takes(R"({"pattern": "^a$|^b"})", R"("bcd")"));
  EXPECT_TRUE(takes(R"({"format": "date"})", "\"2000-02-29\""));
  EXPECT_FALSE(takes(R"({"format": "date"})", "\"1900-02-29\""));
  EXPECT_FALSE(takes(R"({"format": "date"})", "\"2024-04-31\""));
  EXPECT_TRUE(takes(R"({"format": "uri"})", "\"https://a.b/c?d=e#f\""));
  EXPECT_TRUE(takes(R"({"format": "duration"})", "\"P1DT2H\""));
}

TEST(JsonSchemaTest, NumbersBetweenBounds) {
  const char* range = R"({"type": "integer", "minimum": -7, "exclusiveMaximum": 121})";
  const auto grammar = parse_json_schema(Json::parse(range));
  for (int i = -200; i < 1300; i++) EXPECT_EQ(matches(grammar, std::to_string(i)), i >= -7 && i < 121) << i;
  EXPECT_FALSE(takes(range, "1.0"));
  const char* unit = R"({"type": "number", "exclusiveMinimum": 0, "maximum": 1})";
  for (const char* in : {"0.5", "1", "1.0", "0.001"}) EXPECT_TRUE(takes(unit, in)) << in;
  for (const char* out : {"0", "0.0", "1.01", "2", "-0.5", "00.5", "0.", "1e-1"}) EXPECT_FALSE(takes(unit, out)) << out;
  const char* decimals = R"({"type": "number", "minimum": -1.25, "exclusiveMaximum": -0.5})";
  for (const char* in : {"-1.25", "-1.2", "-0.51", "-1", "-0.500001"}) EXPECT_TRUE(takes(decimals, in)) << in;
  for (const char* out : {"-1.251", "-0.5", "-0.50", "-0", "0", "-2"}) EXPECT_FALSE(takes(decimals, out)) << out;
  EXPECT_TRUE(takes(R"({"type": "integer", "minimum": 1e3})", "1000"));
  EXPECT_FALSE(takes(R"({"type": "integer", "minimum": 1e3})", "999"));
}

TEST(JsonSchemaTest, ConstantsAndTypes) {
  EXPECT_TRUE(takes(R"({"enum": ["a", 1, null, {"b": [1]}]})", R"({"b":[1]})"));
  EXPECT_FALSE(takes(R"({"enum": ["a", 1]})", "\"b\""));
  EXPECT_FALSE(takes(R"({"type": "string", "enum": ["a", 1]})", "1"));
  EXPECT_TRUE(takes(R"({"const": "q\"é"})", R"("q\"é")"));
  EXPECT_TRUE(takes(R"({"type": ["string", "null"]})", "null"));
  EXPECT_FALSE(takes(R"({"type": ["string", "null"]})", "1"));
  EXPECT_TRUE(takes("true", "[1]"));
}

TEST(JsonSchemaTest, CombinationsAndReferences) {
  const char* tree = R"({"$ref": "#/$defs/t", "$defs": {"t": {"type": "object", "properties": {
                         "v": {"type": "integer"}, "l": {"type": "array", "items": {"$ref": "#/$defs/t"}}},
                         "required": ["v"]}}})";
  EXPECT_TRUE(takes(tree, R"({"v":1,"l":[{"v":2,"l":[]},{"v":3}]})"));
  EXPECT_FALSE(takes(tree, R"({"v":1,"l":[{"l":[]}]})"));
  const char* beside =
      R"({"type": "object", "properties": {"a": {}, "b": {}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]})";
  EXPECT_TRUE(takes(beside, R"({"b":1})"));
  EXPECT_FALSE(takes(beside, R"({})"));
  const char* all = R"({"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 5}]})";
  EXPECT_TRUE(takes(all, "4"));
  EXPECT_FALSE(takes(all, "6"));
  const char* closed =
      R"({"allOf": [{"properties": {"a": {}}, "additionalProperties": false}, {"properties": {"b": {}}}]})";
  EXPECT_TRUE(takes(closed, R"({"a":1})"));
  EXPECT_FALSE(takes(closed, R"({"b":1})"));
  EXPECT_TRUE(takes(R"({"$ref": "#/$defs/a~1b", "maximum": 2, "$defs": {"a/b": {"type": "integer"}}})", "2"));
}

TEST(JsonSchemaTest, Refusals) {
  EXPECT_EQ(refused(R"({"properties": {"a": {"not": {}}}})"),
            "json_schema.properties.a.not: this keyword is not supported");
  EXPECT_EQ(refused(R"({"properties": {"a\nb": {"not": {}}}})"),
            "json_schema.properties.a\\x0ab.not: this keyword is not supported");
  EXPECT_EQ(refused(R"({"items": {"uniqueItems": true}})"),
            "json_schema.items.uniqueItems: this keyword is not supported");
  EXPECT_EQ(refused(R"({"type": "integer", "multipleOf": 2})"),
            "json_schema.multipleOf: this keyword is not supported");
  EXPECT_EQ(refused("5"), "json_schema: expected a schema (an object or a boolean), found number");
  EXPECT_EQ(refused(R"({"type": "text"})"),
            "json_schema.type: expected null, boolean, string, integer, number, object or array, found \"text\"");
  EXPECT_EQ(refused(R"({"$ref": "http://x"})"), "json_schema.$ref: expected # or #/..., found 'http://x'");
  EXPECT_EQ(refused(R"({"$ref": "#/$defs/x"})"), "json_schema.$ref: expected a schema at '#/$defs/x', found none");
  EXPECT_EQ(refused(R"s({"type": "string", "pattern": "(?=a)"})s"),
            "json_schema.pattern: character 4: look-around is not supported");
  EXPECT_EQ(refused(R"({"type": "string", "pattern": "a", "minLength": 2})"),
            "json_schema.pattern: expected only one of pattern, format and the bounds of the length, found two");
  EXPECT_EQ(refused(R"({"type": "string", "minLength": 3, "maxLength": 2})"),
            "json_schema.maxLength: expected at least the minimum 3, found 2");
  EXPECT_EQ(refused(R"({"minLength": 3, "minItems": 2})"),
            "json_schema.minLength: expected `type` beside it, or no keyword of type array");
  EXPECT_EQ(refused(R"({"properties": {}, "required": ["q"]})"),
            "json_schema.required: expected names of properties, found 'q'");
  EXPECT_EQ(refused(R"({"type": "integer", "minimum": 3, "maximum": 2})"),
            "json_schema: expected a grammar that some text matches, found one that none does");
  EXPECT_EQ(refused(R"({"allOf": [{"pattern": "a"}, {"pattern": "b"}]})"),
            "json_schema.allOf.1.pattern: expected one value where schemas are combined, found two");
  EXPECT_EQ(refused(R"({"enum": []})"), "json_schema.enum: expected a list that is not empty");
}

TEST(JsonSchemaTest, HostileSchemasEndSoon) {
  EXPECT_NE(refused(R"({"$ref": "#"})").find("expected"), std::string::npos);
  EXPECT_NE(refused(R"({"allOf": [{"$ref": "#"}, {"minimum": 1}]})").find("levels"), std::string::npos);
  std::string deep = R"({"type": "null"})";
  for (int i = 0; i < 500; i++) deep = R"({"items": )" + deep + "}";
  EXPECT_NE(refused(deep).find("levels"), std::string::npos);
  Json doubling = {{"$defs", {{"d0", {{"type", "integer"}}}}}, {"$ref", "#/$defs/d40"}};
  for (int i = 1; i <= 40; i++) {
    const std::string last = fmt::format("#/$defs/d{}", i - 1);
    doubling["$defs"][fmt::format("d{}", i)] = {
        {"anyOf", {{{"$ref", last}, {"minimum", i}}, {{"$ref", last}, {"minimum", -i}}}}};
  }
  EXPECT_NE(refusal([&] { parse_json_schema(doubling); }).find("expected"), std::string::npos);
}

}  // namespace
}  // namespace nextn::grammar
