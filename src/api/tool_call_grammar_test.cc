#include "api/tool_call_grammar.h"

#include <gtest/gtest.h>

#include <random>

#include "api/api_of_test.h"
#include "grammar/matches_of_test.h"
#include "text/chat/parsed_reply.h"

namespace nextn::api {
namespace {

using grammar::matches;

// Templates that write calls in each of the ways, and nothing else.
const char* const kHermes = "";
const char* const kXml =
    "{% for m in messages %}{% for c in m.tool_calls or [] %}<tool_call>\n<function={{ c.function.name }}>\n"
    "{% for k, v in c.function.arguments.items() %}<parameter={{ k }}>\n{{ v }}\n</parameter>\n{% endfor %}"
    "</function>\n</tool_call>{{ '' if loop.last else '\n' }}{% endfor %}{% endfor %}";
const char* const kGlm =
    "{% for m in messages %}{% for c in m.tool_calls or [] %}{{ '\n<tool_call>' }}{{ c.function.name }}{{ '\n' }}"
    "{% for k, v in c.function.arguments.items() %}<arg_key>{{ k }}</arg_key>\n<arg_value>{{ v }}</arg_value>\n"
    "{% endfor %}</tool_call>{% endfor %}{% endfor %}";
const char* const kGlm47 =
    "{% for m in messages %}{% for c in m.tool_calls or [] %}<tool_call>{{ c.function.name }}"
    "{% for k, v in c.function.arguments.items() %}<arg_key>{{ k }}</arg_key><arg_value>{{ v }}</arg_value>"
    "{% endfor %}</tool_call>{% endfor %}{% endfor %}";

Json tool(const char* name, const char* parameters) {
  return {{"type", "function"}, {"function", {{"name", name}, {"parameters", Json::parse(parameters)}}}};
}

const Json kTools = {
    tool("get",
         R"({"type": "object", "properties": {"town": {"type": "string"}, "days": {"type": "integer", "minimum": 1},
        "unit": {"type": "string", "enum": ["C", "F"]}}, "required": ["town"]})"),
    tool("now", R"({"type": "object", "properties": {}})"),
    {{"type", "function"}, {"function", {{"name", "off"}}}}};

std::shared_ptr<const grammar::Grammar> calls(const char* source, const Json& tools, const std::string& name = {},
                                              bool parallel = false, bool after_reasoning = false) {
  ToolUse use;
  use.tools = tools;
  use.required = true;
  use.name = name;
  use.parallel = parallel;
  return tool_call_grammar(use, call_layout_of(ChatTemplate(source, "", "")), after_reasoning);
}

// One tool with one parameter.
Json one(const char* schema, const char* more = "{}") {
  Json tool = {{"type", "object"}, {"properties", {{"p", Json::parse(schema)}}}, {"required", {"p"}}};
  tool.update(Json::parse(more));
  return Json::array({{{"type", "function"}, {"function", {{"name", "f"}, {"parameters", tool}}}}});
}

std::string xml(const std::string& value) {
  return fmt::format("<tool_call>\n<function=f>\n<parameter=p>\n{}\n</parameter>\n</function>\n</tool_call>", value);
}

std::string refused(const char* source, const Json& tools) {
  return refusal_of([&] { calls(source, tools); });
}

TEST(ToolCallGrammar, Hermes) {
  const auto any = calls(kHermes, kTools);
  const auto call = [](const char* name, const char* arguments) {
    return fmt::format("<tool_call>\n{{\"name\": \"{}\", \"arguments\": {}}}\n</tool_call>", name, arguments);
  };
  EXPECT_TRUE(matches(any, call("get", R"({"town": "Ulm", "days": 3, "unit": "C"})")));
  EXPECT_TRUE(matches(any, call("get", R"({"town": "</tool_call>"})")));
  EXPECT_TRUE(matches(any, call("now", "{}")));
  EXPECT_TRUE(matches(any, call("off", "{}")));
  EXPECT_FALSE(matches(any, call("get", "{}")));
  EXPECT_FALSE(matches(any, call("get", R"({"town": "Ulm", "days": 0})")));
  EXPECT_FALSE(matches(any, call("now", R"({"town": "Ulm"})")));
  EXPECT_FALSE(matches(any, call("set", "{}")));
  EXPECT_FALSE(matches(any, "Sure. " + call("now", "{}")));
  EXPECT_FALSE(matches(any, call("now", "{}") + "\n" + call("now", "{}")));
  const auto named = calls(kHermes, kTools, "now");
  EXPECT_TRUE(matches(named, call("now", "{}")));
  EXPECT_FALSE(matches(named, call("off", "{}")));
  const auto several = calls(kHermes, kTools, "", true);
  EXPECT_TRUE(matches(several, call("now", "{}") + "\n" + call("off", "{}") + "\n" + call("now", "{}")));
  EXPECT_FALSE(matches(several, call("now", "{}") + "\n"));
  EXPECT_FALSE(matches(several, ""));
  // Whatever a schema leaves open, arguments are an object.
  EXPECT_TRUE(matches(calls(kHermes, Json::array({tool("f", "{}")})), call("f", R"({"x": [1]})")));
  EXPECT_FALSE(matches(calls(kHermes, Json::array({tool("f", "{}")})), call("f", "1")));
  EXPECT_TRUE(matches(calls(kHermes, Json::array({tool("f\" \u00e9", "{}")})), call("f\\\" \u00e9", "{}")));
}

TEST(ToolCallGrammar, Xml) {
  const auto any = calls(kXml, kTools);
  const auto call = [](const char* name, const char* parameters) {
    return fmt::format("<tool_call>\n<function={}>\n{}</function>\n</tool_call>", name, parameters);
  };
  const char* const town = "<parameter=town>\nUlm, \"Do\n\nnau\"\n</parameter>\n";
  EXPECT_TRUE(matches(any, call("get", town)));
  EXPECT_TRUE(matches(any, call("get",
                                "<parameter=town>\n\n</parameter>\n<parameter=days>\n12\n</parameter>\n"
                                "<parameter=unit>\nF\n</parameter>\n")));
  EXPECT_TRUE(matches(any, call("now", "")));
  EXPECT_FALSE(matches(any, call("get", "")));
  EXPECT_FALSE(matches(any, call("get", "<parameter=days>\n12\n</parameter>\n")));
  EXPECT_FALSE(matches(any, call("get", (town + std::string("<parameter=days>\nsoon\n</parameter>\n")).c_str())));
  EXPECT_FALSE(matches(any, call("get", (town + std::string("<parameter=unit>\n\"F\"\n</parameter>\n")).c_str())));
  EXPECT_FALSE(matches(any, call("now", town)));
  EXPECT_TRUE(matches(calls(kXml, kTools, "", true), call("now", "") + "\n" + call("get", town)));
}

TEST(ToolCallGrammar, Glm) {
  EXPECT_TRUE(matches(calls(kGlm, kTools),
                      "<tool_call>get\n<arg_key>town</arg_key>\n<arg_value>\nUlm</arg_value>\n<arg_key>days</arg_key>\n"
                      "<arg_value>2</arg_value>\n</tool_call>"));
  EXPECT_TRUE(matches(calls(kGlm, kTools, "", true), "<tool_call>now\n</tool_call>\n<tool_call>off\n</tool_call>"));
  EXPECT_TRUE(matches(calls(kGlm47, kTools),
                      "<tool_call>get<arg_key>town</arg_key><arg_value></parameter></arg_value></tool_call>"));
  EXPECT_TRUE(matches(calls(kGlm47, kTools, "", true), "<tool_call>now</tool_call><tool_call>off</tool_call>"));
  EXPECT_FALSE(matches(calls(kGlm47, kTools), "<tool_call>get</tool_call>"));
}

TEST(ToolCallGrammar, BareValuesAreWrittenAsTheyAreRead) {
  const auto takes = [](const char* schema, const std::string& value, const char* more = "{}") {
    return matches(calls(kXml, one(schema, more)), xml(value));
  };
  EXPECT_TRUE(takes(R"({"type": "string"})", "a < b </para\n</functio> \"q\""));
  EXPECT_FALSE(takes(R"({"type": "string"})", "a</parameter>"));
  EXPECT_FALSE(takes(R"({"type": "string"})", "a</function>\n</tool_call>"));
  EXPECT_TRUE(takes(R"({"type": "string", "minLength": 3, "maxLength": 4})", "<\n\u00e9\""));
  EXPECT_FALSE(takes(R"({"type": "string", "minLength": 3, "maxLength": 4})", "ab"));
  // Of a long text the beginning of what would end it is left out too.
  EXPECT_TRUE(takes(R"({"type": "string", "maxLength": 100})", "</p> </path> </div>"));
  EXPECT_FALSE(takes(R"({"type": "string", "maxLength": 100})", "</para>"));
  EXPECT_TRUE(takes(R"({"type": "string", "minLength": 1})", "</para>"));
  EXPECT_TRUE(takes(R"({"type": "string", "pattern": "^\"?<[a-z]+>$"})", "\"<ab>"));
  EXPECT_FALSE(takes(R"({"type": "string", "pattern": "^\"?<[a-z]+>$"})", "\"<ab>\""));
  EXPECT_FALSE(takes(R"({"type": "string", "pattern": "parameter"})", "</parameter>"));
  EXPECT_TRUE(takes(R"({"type": "string", "format": "date"})", "2024-02-29"));
  EXPECT_TRUE(takes(R"({"type": "string", "const": "12"})", "12"));
  // What may be a string or null is bare text too, but for strings with a form.
  const char* const text_or_null = R"({"anyOf": [{"type": "string"}, {"type": "null"}]})";
  EXPECT_TRUE(takes(text_or_null, "null"));
  EXPECT_TRUE(takes(text_or_null, "some text"));
  const char* const date_or_null = R"({"type": ["string", "null"], "format": "date"})";
  EXPECT_TRUE(takes(date_or_null, "\"2024-02-29\""));
  EXPECT_TRUE(takes(date_or_null, "null"));
  EXPECT_FALSE(takes(date_or_null, "2024-02-29"));
  // The rest is JSON: a bare 12 would be a number.
  EXPECT_TRUE(takes("{}", "\"12\""));
  EXPECT_FALSE(takes("{}", "text"));
  EXPECT_TRUE(takes(R"({"type": ["string", "integer"]})", "\"1.5\""));
  EXPECT_FALSE(takes(R"({"type": ["string", "integer"]})", "1.5"));
  EXPECT_TRUE(takes(R"({"enum": ["a", "12", 12, null]})", "a"));
  EXPECT_TRUE(takes(R"({"enum": ["a", "12", null]})", "\"12\""));
  EXPECT_FALSE(takes(R"({"enum": ["a", "12", null]})", "12"));
  EXPECT_TRUE(takes(R"({"type": "boolean"})", "true"));
  EXPECT_TRUE(takes(R"({"type": "array", "items": {"type": "string"}})", R"(["a<b", "</div>", "<\/parameter>"])"));
  EXPECT_FALSE(takes(R"({"type": "array", "items": {"type": "string"}})", R"(["</parameter>"])"));
  EXPECT_TRUE(
      takes(R"({"$ref": "#/$defs/unit"})", "F", R"({"$defs": {"unit": {"type": "string", "enum": ["C", "F"]}}})"));
  EXPECT_TRUE(takes(R"({"type": "object", "properties": {"r": {"$ref": "#/$defs/r"}}})", R"({"r": {"r": {}}})",
                    R"({"$defs": {"r": {"type": "object", "properties": {"r": {"$ref": "#/$defs/r"}}}}})"));
}

TEST(ToolCallGrammar, ACallFollowsReasoningAsTheTemplateHasIt) {
  CallLayout layout = call_layout_of(ChatTemplate(kHermes, "", ""));
  layout.after_reasoning = "\n\n";
  ToolUse use;
  use.tools = kTools;
  const std::string call = "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>";
  EXPECT_TRUE(matches(tool_call_grammar(use, layout, true), "\n\n" + call));
  EXPECT_FALSE(matches(tool_call_grammar(use, layout, true), call));
  EXPECT_TRUE(matches(tool_call_grammar(use, layout, false), call));
}

TEST(ToolCallGrammar, RefusalsNameToolAndKeyword) {
  EXPECT_EQ(refused(kHermes, one(R"({"not": {}})")),
            "tools[f].parameters.properties.p.not: this keyword is not supported");
  EXPECT_EQ(refused(kXml, one(R"({"not": {}})")),
            "tools[f].parameters.properties.p.not: this keyword is not supported");
  EXPECT_EQ(refused(kXml, one("{}", R"({"oneOf": [{}]})")),
            "tools[f].parameters.oneOf: not supported where a model writes parameters one by one");
  EXPECT_EQ(refused(kHermes, Json::array({tool("f", R"({"type": "string"})")})),
            "tools[f].parameters.type: expected one that fits all, found none");
  EXPECT_NE(refused(kXml, Json::array({tool("a b", "{}")})).find("tools[a b].name: expected letters"),
            std::string::npos);
  EXPECT_NE(refused(kGlm, Json::array({tool("f", R"({"properties": {"</arg_key>": {}}})")})).find("expected a name"),
            std::string::npos);
  EXPECT_NE(refused(kXml, Json::array({tool("f", R"({"properties": {"a>b": {}}})")})).find("expected a name"),
            std::string::npos);
}

// Whatever tokens are chosen, the text that comes out is read as calls, and nothing else.
TEST(ToolCallGrammar, RandomTextsAreCalls) {
  const Json tools = {tool("get_it", R"({"type": "object", "properties": {"text": {"type": "string"},
      "n": {"type": "number"}, "deep": {"type": "array", "items": {"type": "object", "additionalProperties": {}}},
      "maybe": {"type": ["string", "null"]}, "any": {}, "word": {"type": "string", "minLength": 1, "maxLength": 9}},
      "required": ["text", "word"]})"),
                      tool("stop", R"({"type": "object", "properties": {}})")};
  std::vector<std::string> vocabulary = grammar::small_vocabulary();
  for (const char* text : {"<tool_call>", "</tool_call>", "</parameter>", "\n</parameter>\n", "<arg_key>", "</arg_key>",
                           "<arg_value>", "</arg_value>", "</", "</function>", "<function=", "\"arguments\"", "]</"}) {
    vocabulary.emplace_back(text);
  }
  const auto trie = std::make_shared<const grammar::TokenTrie>(vocabulary);
  std::mt19937 random(1);
  for (const char* source : {kHermes, kXml, kGlm, kGlm47}) {
    for (const bool parallel : {false, true}) {
      const auto grammar = calls(source, tools, "", parallel);
      int n_finished = 0;
      for (int walk = 0; walk < 60; walk++) {
        grammar::Matcher matcher(grammar, trie);
        std::vector<uint32_t> bits(matcher.mask_words());
        std::string text;
        for (int step = 0; step < 400 && !(matcher.mask(bits) && (!parallel || random() % 2 == 0)); step++) {
          std::vector<int32_t> ids, closing;
          for (int32_t id = 0; id < trie->n_vocab(); id++) {
            if (!(bits[static_cast<size_t>(id) / 32] >> id % 32 & 1)) continue;
            ids.push_back(id);
            if (trie->bytes(id).find_first_of("\"]}</") == 0) closing.push_back(id);
          }
          ASSERT_FALSE(ids.empty()) << text;
          const auto& from = closing.empty() || random() % 3 != 0 ? ids : closing;
          const int32_t id = from[random() % from.size()];
          ASSERT_TRUE(matcher.accept(id));
          text += trie->bytes(id);
        }
        if (!matcher.may_end()) continue;
        n_finished++;
        const std::string read = parsed({.parse_tools = true, .tools = tools}, std::vector<std::string_view>{text});
        EXPECT_TRUE(read.starts_with("get_it({") || read.starts_with("stop({")) << text << "\n" << read;
        EXPECT_EQ(read.find("content:"), read.npos) << text << "\n" << read;
        EXPECT_TRUE(read.ends_with(")")) << text << "\n" << read;
      }
      EXPECT_GT(n_finished, 20) << source;
    }
  }
}

}  // namespace
}  // namespace nextn::api
