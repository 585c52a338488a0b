// Each way in which models write tool calls, through the reply parser: right, carelessly, and broken.
#include "text/chat/call_reader.h"

#include <gtest/gtest.h>

#include "text/chat/parsed_reply.h"

namespace nextn {
namespace {

using Json = nlohmann::ordered_json;

const Json kTools = Json::parse(R"([{"type": "function", "function": {"name": "f", "parameters": {"type": "object",
    "properties": {"s": {"type": "string"}, "i": {"type": "integer"}, "n": {"type": "number"}, "b": {"type": "boolean"},
                   "o": {"type": "object"}, "a": {"type": "array"}, "any": {}, "z": {"type": "null"},
                   "sn": {"type": ["string", "null"]},
                   "in": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}}}}])");

std::string tools(std::string_view text) {
  return parsed({.parse_tools = true, .tools = kTools}, text);
}

TEST(CallReader, HermesCalls) {
  EXPECT_EQ(tools("<tool_call>\n{\"name\": \"f\", \"arguments\": {\"s\": \"Paris\", \"i\": 1.50}}\n</tool_call>"),
            R"(f({"s": "Paris", "i": 1.50}))");
  EXPECT_EQ(tools(R"(<tool_call>{"arguments": {"a": [{}, {"x": "}"}]}, "name": "f"}</tool_call>)"),
            R"(f({"a": [{}, {"x": "}"}]}))");
  EXPECT_EQ(tools(R"(<tool_call>{"name": "f", "parameters": {}}</tool_call>)"), "f({})");
  EXPECT_EQ(tools(R"(<tool_call>{"name": "f", "arguments": "{\"s\": \"a\\n\u00e9\"}"}</tool_call>)"),
            R"(f({"s": "a\né"}))");
  EXPECT_EQ(tools(R"(<tool_call>{"arguments": "", "name": "f"}</tool_call>)"), "f({})");
  EXPECT_EQ(tools(R"(<tool_call>{"name": "f", "arguments": null}</tool_call>)"), "f({})");
  EXPECT_EQ(
      tools(R"(<tool_call>{"id": {"name": ["x"]}, "n": -1.5e3, "name": "fé\u0041", "arguments": {"s": 1}, "t": true})"
            "</tool_call>"),
      R"(féA({"s": 1}))");
  EXPECT_EQ(tools(R"(<tool_call>{"name": "f", "arguments": {"s": "</tool_call><tool_call> \"\\ \ud83d\ude00 日本"}})"
                  "</tool_call>"),
            R"(f({"s": "</tool_call><tool_call> \"\\ \ud83d\ude00 日本"}))");
  EXPECT_EQ(tools(R"(<tool_call>{"name": "f", "arguments": {"name": "g", "arguments": {}}}</tool_call>)"),
            R"(f({"name": "g", "arguments": {}}))");
}

TEST(CallReader, HermesCallsThatAreNone) {
  for (const char* const text : {
           R"(<tool_call>)",
           R"(a <tool_call> \n)",
           R"(<tool_call></tool_call>)",
           R"(The <tool_call> marker)",
           R"(<tool_call>{)",
           R"(<tool_call>{}</tool_call>)",
           R"(<tool_call>{"arguments": {"s": 1}}</tool_call>)",
           R"(<tool_call>{"name": 1, "arguments": {}}</tool_call>)",
           R"(<tool_call>{"name": "", "arguments": {}}</tool_call>)",
           R"(<tool_call>{"name": "f", "arguments": [1]}</tool_call>)",
           R"(<tool_call>{"name": "f", "arguments": "x"}</tool_call>)",
           R"(<tool_call>{"name": "f", "arguments": "{"}</tool_call>)",
           R"(<tool_call>{"name": "f", "arguments": "[1]"}</tool_call>)",
           R"(<tool_call>{"name": "f", "arguments": nul}</tool_call>)",
           R"(<tool_call>{"name": "f"</tool_call>)",
           R"(<tool_call>{"name": "f", "arg)",
           R"(<tool_call>{'name': 'f'}</tool_call>)",
           R"(<tool_call>[{"name": "f"}]</tool_call>)",
           R"(<tool_call>{{"name": "f"}}</tool_call>)",
       }) {
    EXPECT_EQ(tools(text), std::string("content:") + text);
  }
  EXPECT_EQ(tools("a\n<tool_call>\n<tool_call>\n{\"name\": \"f\"}\n</tool_call>\n</tool_call>"),
            "content:a\n<tool_call>\nf({})content:\n</tool_call>");
}

TEST(CallReader, HermesCallsThatBreak) {
  const std::string call = R"(<tool_call>{"name": "f", "arguments": {"s": )";
  // Within the arguments: the rest of them as it is, then the next call.
  EXPECT_EQ(tools(call + "\"x"), R"(f({"s": "x)!)");
  EXPECT_EQ(tools(call + "True}}\n</tool_call>\n<tool_call>{\"name\": \"g\"}</tool_call>"),
            "f({\"s\": True}}\n)!g({})");
  EXPECT_EQ(tools(call + "1] <tool_call>{\"name\": \"g\"}</tool_call>"), "f({\"s\": 1] )!g({})");
  EXPECT_EQ(tools(call + "\"a\nb\"}}</tool_call>x"), "f({\"s\": \"a\nb\"}})!content:x");
  EXPECT_EQ(tools(call + "1]</tool_c"), "f({\"s\": 1]</tool_c)!");
  EXPECT_EQ(tools(call + "\"\\ud800\"}}</tool_call>"), "f({\"s\": \"\\ud800\"}})!");
  EXPECT_EQ(tools(call + "\"\\udc00"), "f({\"s\": \"\\udc00)!");
  // After them: the call is whole.
  EXPECT_EQ(tools(call + "1}"), R"(f({"s": 1}))");
  EXPECT_EQ(tools(call + "1}\n</tool_call>\nx"), "f({\"s\": 1})content:\nx");
  EXPECT_EQ(tools(call + "1}}} </tool_call> x"), "f({\"s\": 1})content:} x");
  EXPECT_EQ(tools(call + "1}, oops</tool_call>"), "f({\"s\": 1})content:, oops");
  EXPECT_EQ(tools(call + "1}}</tool_"), R"(f({"s": 1}))");
  EXPECT_EQ(tools(call + "1}} <tool_call>{\"name\": \"g\"}"), R"(f({"s": 1})g({}))");
}

TEST(CallReader, XmlCalls) {
  EXPECT_EQ(tools("<tool_call>\n<function=f>\n<parameter=s>\nParis\n</parameter>\n<parameter=i>\n12\n</parameter>\n"
                  "</function>\n</tool_call>\n<tool_call>\n<function=g>\n</function>\n</tool_call>"),
            R"(f({"s":"Paris","i":12})g({}))");
  // A newline at either end belongs to the format, no more.
  EXPECT_EQ(tools("<tool_call><function=f><parameter=s>\n\n  a\n\tb\r\n\n</parameter></function></tool_call>"),
            R"(f({"s":"\n  a\n\tb\r\n"}))");
  EXPECT_EQ(tools("<tool_call><function=f><parameter=s>\n</parameter></function></tool_call>"), R"(f({"s":""}))");
  EXPECT_EQ(tools("<tool_call><function=f><parameter=s>\n\n</parameter></function></tool_call>"), R"(f({"s":""}))");
  EXPECT_EQ(tools("<tool_call><function=f><parameter=s></parameter></function></tool_call>"), R"(f({"s":""}))");
  EXPECT_EQ(
      tools("<tool_call><function=f><parameter=s>\n<a>&amp; </tool_call> </function> </param> <parameter=i> \"\\\x01"
            "日本\n</para\n</parameter></function></tool_call>"),
      R"(f({"s":"<a>&amp; </tool_call> </function> </param> <parameter=i> \"\\\u0001日本\n</para"}))");
  EXPECT_EQ(tools("<tool_call><function=mcp.x/y-z:1><parameter=a \"b\">1</parameter></function></tool_call>"),
            R"(mcp.x/y-z:1({"a \"b\"":1}))");
}

TEST(CallReader, XmlCallsWrittenCarelessly) {
  // Without <tool_call>.
  EXPECT_EQ(tools("Well.\n<function=f>\n<parameter=i>\n1\n</parameter>\n</function>\n</tool_call>"),
            R"(content:Well.f({"i":1}))");
  EXPECT_EQ(tools("<function=f>\n</function>\n<function=g>\n</function>\nx"), "f({})g({})content:\nx");
  // Without an end of something.
  EXPECT_EQ(tools("<tool_call><function=f>\n<parameter=i>1</parameter>\n</tool_call>x"), R"(f({"i":1})content:x)");
  EXPECT_EQ(tools("<tool_call><function=f>\n<parameter=i>1</parameter>\n<tool_call><function=g></function>"),
            R"(f({"i":1})g({}))");
  EXPECT_EQ(tools("<tool_call><function=f><parameter=i>1</parameter><function=g></function></tool_call>"),
            R"(f({"i":1})g({}))");
  EXPECT_EQ(tools("<tool_call><function=f><parameter=s>\na\n</function>\n</tool_call><function=g></function>"),
            R"(f({"s":"a"})g({}))");
  // The end of a marker that begins no call is not the end of the call before.
  EXPECT_EQ(tools("<function=f></function><tool_call>(x)</tool_call>"), "f({})content:<tool_call>(x)</tool_call>");
  // With other text inside.
  EXPECT_EQ(tools("<tool_call><function=f><parameter=i>1</parameter>\nAnd <parameter=s>2</parameter>\n</tool_call>"),
            R"(f({"i":1})content:And <parameter=s>2</parameter>)");
  EXPECT_EQ(tools("<tool_call><function=f><parameter=i>1</parameter><parameter=s\n</tool_call>x"),
            R"(f({"i":1})content:<parameter=sx)");
  EXPECT_EQ(tools("<tool_call><function=f><parameter=>1</parameter></tool_call>"),
            R"(f({})content:<parameter=>1</parameter>)");
}

TEST(CallReader, XmlCallsThatAreNone) {
  const std::string long_name(kMaxFunctionName + 1, 'f');
  for (const std::string& text :
       {std::string("<tool_call>\n<function=f"), std::string("<tool_call>\n<functional>"),
        std::string("<tool_call><function=>"), std::string("<function=a b>"), std::string("<function=f> is how"),
        std::string("Write <function=NAME> and <parameter=KEY>."), std::string("<function=f>\n<para"),
        std::string("<function=f>\n<parameters>"), "<function=" + long_name + ">\n</function>",
        "<tool_call>" + long_name + "</tool_call>"}) {
    EXPECT_EQ(tools(text), "content:" + text);
  }
  EXPECT_EQ(tools("<function=f><function=g></function>"), "content:<function=f>g({})");
  EXPECT_EQ(tools("<tool_call>\n<tool_call>\n<function=g></function></tool_call>"), "content:<tool_call>\ng({})");
}

TEST(CallReader, XmlCallsThatAreCutOff) {
  const std::string call = "<tool_call><function=f><parameter=i>1</parameter>";
  EXPECT_EQ(tools(call), R"(f({"i":1)!)");
  EXPECT_EQ(tools(call + "</functio"), R"(f({"i":1)!content:</functio)");
  EXPECT_EQ(tools(call + "<parameter=n"), R"(f({"i":1)!content:<parameter=n)");
  EXPECT_EQ(tools(call + "<parameter=s>"), R"(f({"i":1,"s":")!)");
  EXPECT_EQ(tools(call + "<parameter=s>\na\"\n</par"), R"(f({"i":1,"s":"a\"\n</par)!)");
  EXPECT_EQ(tools(call + "<parameter=n>\n12"), R"(f({"i":1,"n":12)!)");
}

TEST(CallReader, GlmCalls) {
  EXPECT_EQ(
      tools("\n<think>Hm.</think>\nWell.\n<tool_call>f\n<arg_key>s</arg_key>\n<arg_value>Paris\n</arg_value>\n"
            "<arg_key>o</arg_key>\n<arg_value>{\"x\": [1]}</arg_value>\n</tool_call>\n<tool_call>g\n</tool_call>"),
      R"(think:Hm.content:Well.f({"s":"Paris\n","o":{"x": [1]}})g({}))");
  // GLM-4.7 writes no newlines.
  EXPECT_EQ(tools("<tool_call>f<arg_key>s</arg_key><arg_value>\n1 < 2 & </tool_call> é</arg_value><arg_key>b</arg_key>"
                  "<arg_value>true</arg_value></tool_call><tool_call>g</tool_call>"),
            R"(f({"s":"\n1 < 2 & </tool_call> é","b":true})g({}))");
  EXPECT_EQ(tools("<tool_call>f<arg_key>s</arg_key><arg_value>a</arg_value><tool_call>g</tool_call>"),
            R"(f({"s":"a"})g({}))");
  EXPECT_EQ(tools("<tool_call>f<arg_key>i</arg_key><arg_value>1</arg_value> x</tool_call>"), R"(f({"i":1})content:x)");
  EXPECT_EQ(tools("<tool_call>f<arg_key>i</arg_key>1</tool_call>"), "f({})content:<arg_key>i</arg_key>1");
}

TEST(CallReader, GlmCallsThatAreNone) {
  for (const char* const text : {"<tool_call>f", "<tool_call>f\n", "<tool_call>f\n<arg_k", "<tool_call>f g</tool_call>",
                                 "<tool_call>f<arg_value>", "use <tool_call>s, <b>now</b>",
                                 "<tool_call>f(1)</tool_call>", "<tool_call>é</tool_call>"}) {
    EXPECT_EQ(tools(text), std::string("content:") + text);
  }
  EXPECT_EQ(tools("<tool_call>f\n<tool_call>g</tool_call>"), "content:<tool_call>f\ng({})");
  const std::string call = "<tool_call>f<arg_key>i</arg_key>";
  EXPECT_EQ(tools("<tool_call>f<arg_key>i</arg"), "f()!content:<arg_key>i</arg");
  EXPECT_EQ(tools(call + "\n<arg_v"), "f()!content:<arg_key>i</arg_key><arg_v");
  EXPECT_EQ(tools(call + "<arg_value>12</arg"), R"(f({"i":12</arg)!)");
  EXPECT_EQ(tools(call + "<arg_value>12</arg_value></tool_cal"), R"(f({"i":12)!content:</tool_cal)");
}

TEST(CallReader, TypesOfParameters) {
  const struct {
    const char *key, *text, *json;
  } kCases[] = {
      {"s", "12", R"("12")"},
      {"s", "null", R"("null")"},
      {"i", "12", "12"},
      {"i", " 12\n", "12"},
      {"i", "123456789012345678901234567890", "123456789012345678901234567890"},
      {"i", "twelve", R"("twelve")"},
      {"i", "", R"("")"},
      {"n", "-0.5e+10", "-0.5e+10"},
      {"n", "05", R"("05")"},
      {"n", "NaN", R"("NaN")"},
      {"b", "true", "true"},
      {"b", "False", "false"},
      {"b", "TRUE", R"("TRUE")"},
      {"z", "None", "null"},
      {"o", R"({"a": [1, {"b": "\u00e9<"}]})", R"({"a": [1, {"b": "\u00e9<"}]})"},
      {"o", R"({"a": 1,})", R"("{\"a\": 1,}")"},
      {"o", R"({'a': 1})", R"("{'a': 1}")"},
      {"a", "[1,\n 2]", "[1,\n 2]"},
      {"a", R"("x")", R"("x")"},
      {"any", "12", "12"},
      {"any", "a b ", R"("a b ")"},
      {"any", "True", R"("True")"},
      {"unknown", R"({"a": 1})", R"({"a": 1})"},
      {"sn", "null", "null"},
      {"sn", "None", "null"},
      {"sn", "12", R"("12")"},
      {"sn", "word", R"("word")"},
      {"in", "12", "12"},
      {"in", "None", "null"},
  };
  for (const auto& c : kCases) {
    const std::string key = c.key;
    const std::string expected = "f({\"" + key + "\":" + c.json + "})";
    EXPECT_EQ(tools("<function=f><parameter=" + key + ">\n" + c.text + "\n</parameter></function>"), expected);
    EXPECT_EQ(tools("<tool_call>f<arg_key>" + key + "</arg_key><arg_value>" + c.text + "</arg_value></tool_call>"),
              expected);
  }
}

TEST(CallReader, SchemasOfAnyKindAreBorne) {
  for (const char* const schema :
       {"null", "1", "[]", "[1]", R"([{"function": 1}])", R"([{"function": {"name": 1}}])",
        R"([{"function": {"name": "f", "parameters": []}}])",
        R"([{"function": {"name": "f", "parameters": {"properties": [1]}}}])",
        R"([{"function": {"name": "f", "parameters": {"properties": {"s": 1}}}}])",
        R"([{"function": {"name": "f", "parameters": {"properties": {"s": {"type": [1], "anyOf": {}}}}}}])",
        R"([{"function": {"name": "f", "parameters": {"properties": {"s": {"anyOf": [1]}}}}}])"}) {
    const ReplyFormat format{.parse_tools = true, .tools = Json::parse(schema)};
    EXPECT_EQ(parsed(format, "<function=f><parameter=s>1</parameter></function>"), R"(f({"s":1}))") << schema;
  }
  const ReplyFormat flat{.parse_tools = true,
                         .tools = {{{"name", "f"}, {"parameters", {{"properties", {{"s", {{"type", "string"}}}}}}}}}};
  EXPECT_EQ(parsed(flat, "<function=f><parameter=s>1</parameter></function>"), R"(f({"s":"1"}))");
}

}  // namespace
}  // namespace nextn
