#include "text/chat/reply_parser.h"

#include <gtest/gtest.h>

#include <chrono>

#include "text/chat/chat_template.h"

namespace nextn {
namespace {

using Json = nlohmann::ordered_json;
using Kind = ReplyEvent::Kind;

// The events of a text that comes in these pieces, as one line: think:.. content:.. NAME(arguments), with ! after a
// call that is not whole. Checks what holds for any text.
std::string parsed(const ReplyFormat& format, const std::vector<std::string_view>& pieces) {
  int n_ids = 0;
  ReplyParser parser(format, [&] { return "call_" + std::to_string(n_ids++); });
  std::vector<ReplyEvent> events;
  const auto append = [&](std::vector<ReplyEvent> more) { events.insert(events.end(), more.begin(), more.end()); };
  for (const std::string_view piece : pieces) append(parser.push(piece));
  append(parser.finish());

  std::string out, arguments;
  int n_calls = 0;
  bool in_call = false;
  Kind last = Kind::kToolEnd;
  for (const ReplyEvent& e : events) {
    const bool of_call = e.kind == Kind::kToolArguments || e.kind == Kind::kToolEnd;
    EXPECT_EQ(in_call, of_call) << out;
    EXPECT_EQ(e.tool, e.kind == Kind::kToolBegin ? n_calls : of_call ? n_calls - 1 : -1) << out;
    EXPECT_EQ(e.text.empty(), e.kind == Kind::kToolEnd) << out;
    switch (e.kind) {
      case Kind::kReasoning:
      case Kind::kContent:
        if (e.kind != last) out += e.kind == Kind::kReasoning ? "think:" : "content:";
        out += e.text;
        break;
      case Kind::kToolBegin:
        EXPECT_EQ(e.id, "call_" + std::to_string(n_calls++));
        out += e.text + "(";
        in_call = true;
        arguments.clear();
        break;
      case Kind::kToolArguments:
        arguments += e.text;
        break;
      case Kind::kToolEnd:
        EXPECT_EQ(e.whole, parse_chat_json(arguments).is_object()) << arguments;
        out += arguments + (e.whole ? ")" : ")!");
        in_call = false;
        break;
    }
    last = e.kind;
  }
  EXPECT_FALSE(in_call);
  EXPECT_EQ(parser.n_tools(), n_calls);
  return out;
}

// Whole, and cut in every way that two or three pieces can be, or every byte for itself: always the same.
std::string parsed(const ReplyFormat& format, std::string_view text) {
  const std::string whole = parsed(format, std::vector{text});
  std::vector<std::string_view> bytes;
  for (size_t i = 0; i < text.size(); i++) {
    bytes.push_back(text.substr(i, 1));
    EXPECT_EQ(parsed(format, {text.substr(0, i), text.substr(i)}), whole) << "cut at " << i;
    EXPECT_EQ(parsed(format, {text.substr(0, i), text.substr(i, 2), text.substr(std::min(i + 2, text.size()))}), whole)
        << "cut at " << i;
  }
  EXPECT_EQ(parsed(format, bytes), whole) << "byte by byte";
  return whole;
}

const Json kTools = Json::parse(R"([{"type": "function", "function": {"name": "f", "parameters": {"type": "object",
    "properties": {"s": {"type": "string"}, "i": {"type": "integer"}, "n": {"type": "number"}, "b": {"type": "boolean"},
                   "o": {"type": "object"}, "a": {"type": "array"}, "any": {}, "z": {"type": "null"},
                   "sn": {"type": ["string", "null"]},
                   "in": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}}}}])");

std::string think(std::string_view text) {
  return parsed({.starts_in_reasoning = true}, text);
}
std::string plain(std::string_view text) {
  return parsed({}, text);
}
std::string tools(std::string_view text) {
  return parsed({.parse_tools = true, .tools = kTools}, text);
}

TEST(ReplyParser, ReasoningBegunByTheReply) {
  EXPECT_EQ(plain(""), "");
  EXPECT_EQ(plain("Hello"), "content:Hello");
  EXPECT_EQ(plain("<think>\nHm.\n</think>\n\nHello"), "think:Hm.content:Hello");
  EXPECT_EQ(plain("<think>Hm.</think>Hello\n"), "think:Hm.content:Hello\n");
  EXPECT_EQ(plain("\n<think></think>\n\n  Hello"), "content:  Hello");  // GLM; indentation stays
  EXPECT_EQ(plain(" \n<think>\r\n\n a\n\n b \n</think>"), "think: a\n\n b");
  EXPECT_EQ(plain("<think>Hm"), "think:Hm");
  EXPECT_EQ(plain("<think>Hm</thin"), "think:Hm</thin");
  EXPECT_EQ(plain("<think>a </thinker> < b</think>c"), "think:a </thinker> < bcontent:c");
  EXPECT_EQ(plain("<think>a<</think>b"), "think:a<content:b");
  EXPECT_EQ(plain("<think>a</think>b</think>c<think>d"), "think:acontent:b</think>c<think>d");
  EXPECT_EQ(plain("<think>日本 é</think>\n日本"), "think:日本 écontent:日本");
}

TEST(ReplyParser, ElsewhereItsMarkersAreContent) {
  EXPECT_EQ(plain("a <think>b</think> c"), "content:a <think>b</think> c");
  EXPECT_EQ(plain("a</think>\n\nb"), "content:a</think>\n\nb");
  EXPECT_EQ(plain(" <thin"), "content: <thin");
  EXPECT_EQ(plain(" <thing>"), "content: <thing>");
  EXPECT_EQ(plain("<<think>a"), "content:<<think>a");
  EXPECT_EQ(plain(" \n"), "content: \n");
}

TEST(ReplyParser, ReasoningBegunByThePrompt) {
  EXPECT_EQ(think("Hm.\n</think>\n\nHello"), "think:Hm.content:Hello");
  EXPECT_EQ(think("\n\nHm."), "think:Hm.");
  EXPECT_EQ(think("</think>\n\nHello"), "content:Hello");
  EXPECT_EQ(think("<think>\nHm.</think>Hello"), "think:Hm.content:Hello");  // written once more
  EXPECT_EQ(think("Hm <think> </think>Hello"), "think:Hm <think>content:Hello");
  EXPECT_EQ(think("<tool_call>\n{}"), "think:<tool_call>\n{}");
  EXPECT_TRUE(ends_in_reasoning("<|im_start|>assistant\n<think>\n"));
  EXPECT_TRUE(ends_in_reasoning("<|assistant|><think>"));
  EXPECT_FALSE(ends_in_reasoning("<think>\n\n</think>\n\n"));
  EXPECT_FALSE(ends_in_reasoning("What is <think>?<|im_end|>\n<|im_start|>assistant\n"));
  EXPECT_FALSE(ends_in_reasoning(" \n"));
  EXPECT_FALSE(ends_in_reasoning(""));
}

TEST(ReplyParser, ReasoningMayStayInTheContent) {
  const ReplyFormat unsplit{.splits_reasoning = false, .parse_tools = true};
  const ReplyFormat begun{.starts_in_reasoning = true, .splits_reasoning = false, .parse_tools = true};
  const char* const kCall = "<tool_call>{\"name\": \"f\"}</tool_call>";
  EXPECT_EQ(parsed(unsplit, " <think>\n" + std::string(kCall) + "\n</think>\n\nb\n" + kCall),
            "content: <think>\n" + std::string(kCall) + "\n</think>\n\nbf({})");
  EXPECT_EQ(parsed(begun, "\n<think>a\n" + std::string(kCall) + "</think>\n\n" + kCall),
            "content:\n<think>a\n" + std::string(kCall) + "</think>f({})");
  EXPECT_EQ(parsed({.splits_reasoning = false}, "<think>a</think>\n<tool_call>"),
            "content:<think>a</think>\n<tool_call>");
}

TEST(ReplyParser, CallsAreContentWhereNoneIsExpected) {
  const char* const kText = "a \n<tool_call>\n{\"name\": \"f\"}\n</tool_call>\n<function=f>\n</function>\n";
  EXPECT_EQ(plain(kText), std::string("content:") + kText);
  EXPECT_EQ(plain(std::string("<think>b</think>") + kText), std::string("think:bcontent:") + kText);
}

TEST(ReplyParser, SpaceAroundCalls) {
  EXPECT_EQ(tools("<think>Hm.</think>\n\nLet me see.\n\n<tool_call>{\"name\": \"f\"}</tool_call>\n<tool_call>"
                  "{\"name\": \"g\"}</tool_call>\n"),
            "think:Hm.content:Let me see.f({})g({})");
  EXPECT_EQ(tools(" \n<tool_call>{\"name\": \"f\"}</tool_call>"), "f({})");
  EXPECT_EQ(tools("a\n<tool_call>{\"name\": \"f\"}</tool_call>\n\nb\n"), "content:af({})content:\n\nb\n");
  EXPECT_EQ(tools("a  \n"), "content:a  \n");
  EXPECT_EQ(tools("a <b> <tool_cal> </tool_call> <"), "content:a <b> <tool_cal> </tool_call> <");
}

TEST(ReplyParser, HermesCalls) {
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

TEST(ReplyParser, HermesCallsThatAreNone) {
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

TEST(ReplyParser, HermesCallsThatBreak) {
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

TEST(ReplyParser, XmlCalls) {
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

TEST(ReplyParser, XmlCallsWrittenCarelessly) {
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
  // With other text inside.
  EXPECT_EQ(tools("<tool_call><function=f><parameter=i>1</parameter>\nAnd <parameter=s>2</parameter>\n</tool_call>"),
            R"(f({"i":1})content:And <parameter=s>2</parameter>)");
  EXPECT_EQ(tools("<tool_call><function=f><parameter=i>1</parameter><parameter=s\n</tool_call>x"),
            R"(f({"i":1})content:<parameter=sx)");
  EXPECT_EQ(tools("<tool_call><function=f><parameter=>1</parameter></tool_call>"),
            R"(f({})content:<parameter=>1</parameter>)");
}

TEST(ReplyParser, XmlCallsThatAreNone) {
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

TEST(ReplyParser, XmlCallsThatAreCutOff) {
  const std::string call = "<tool_call><function=f><parameter=i>1</parameter>";
  EXPECT_EQ(tools(call), R"(f({"i":1)!)");
  EXPECT_EQ(tools(call + "</functio"), R"(f({"i":1)!content:</functio)");
  EXPECT_EQ(tools(call + "<parameter=n"), R"(f({"i":1)!content:<parameter=n)");
  EXPECT_EQ(tools(call + "<parameter=s>"), R"(f({"i":1,"s":")!)");
  EXPECT_EQ(tools(call + "<parameter=s>\na\"\n</par"), R"(f({"i":1,"s":"a\"\n</par)!)");
  EXPECT_EQ(tools(call + "<parameter=n>\n12"), R"(f({"i":1,"n":12)!)");
}

TEST(ReplyParser, GlmCalls) {
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

TEST(ReplyParser, GlmCallsThatAreNone) {
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

TEST(ReplyParser, TypesOfParameters) {
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

TEST(ReplyParser, SchemasOfAnyKindAreBorne) {
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

// What has gone out once these pieces came in.
std::string so_far(std::string_view text) {
  ReplyParser parser({.parse_tools = true, .tools = kTools});
  std::string out;
  for (const ReplyEvent& e : parser.push(text)) out += e.text;
  return out;
}

TEST(ReplyParser, NothingIsHeldWithoutNeed) {
  EXPECT_EQ(so_far("Hello, wor"), "Hello, wor");
  EXPECT_EQ(so_far("a <tool_cal"), "a");
  EXPECT_EQ(so_far("a <b"), "a <b");
  EXPECT_EQ(so_far("<think>Hm</thin"), "Hm");
  EXPECT_EQ(so_far("<think>Hm </b"), "Hm </b");
  EXPECT_EQ(so_far(R"(<tool_call>{"name": "f", "arguments": {"s": "ab)"), R"(f{"s": "ab)");
  EXPECT_EQ(so_far("<tool_call><function=f>\n<parameter=s>\nab\n"), R"(f{"s":"ab)");
  EXPECT_EQ(so_far("<tool_call><function=f>\n<parameter=s>\nab\nc</p"), R"(f{"s":"ab\nc)");
  EXPECT_EQ(so_far("<tool_call><function=f>\n<parameter=i>\n1"), R"(f{"i":)");
  EXPECT_EQ(so_far("<tool_call>f\n<arg_key>s</arg_key>\n<arg_value>ab "), R"(f{"s":"ab )");
}

TEST(ReplyParser, CallIds) {
  const auto id = [] {
    ReplyParser parser({.parse_tools = true});
    return parser.push("<tool_call>f</tool_call>").front().id;
  };
  const std::string one = id();
  EXPECT_EQ(one.size(), 29u);
  EXPECT_TRUE(one.starts_with("call_"));
  EXPECT_EQ(one.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789", 5), std::string::npos);
  EXPECT_NE(one, id());
}

std::string repeated(std::string_view text, size_t bytes) {
  std::string out;
  while (out.size() < bytes) out += text;
  return out;
}

// A quadratic parser takes minutes for these.
TEST(ReplyParser, LongTextsTakeLinearTime) {
  constexpr size_t kBytes = 1 << 18;
  const std::string word = repeated("some \\\\ text <b> \\\" ", 1 << 20);
  const std::string texts[] = {
      R"(<tool_call>{"name": "f", "arguments": {"s": ")" + word + "\"}}</tool_call>",
      R"(<tool_call>{"arguments": {"s": ")" + word + "\"}, \"name\": \"f\"}</tool_call>",
      "<function=f><parameter=s>" + word + "</parameter></function>",
      "<function=f><parameter=i>" + word + "</parameter></function>",
      "<tool_call>f<arg_key>s</arg_key><arg_value>" + word + "</arg_value></tool_call>",
      repeated("<tool_call>{\"name\": \"", kBytes),
      repeated("<tool_call>{\"a\":\"", kBytes),
      repeated("<tool_call>f<arg_key>", kBytes) + "</arg_key>x</tool_call>",
      repeated("<function=f><parameter=", kBytes),
      repeated("<tool_call>f</tool_call>\n", kBytes),
      repeated("<parameter=s>1", kBytes),
      repeated(" ", kBytes),
      repeated("<", kBytes),
      "<think>" + repeated("\n", kBytes),
      "<tool_call>" + repeated(" ", kBytes),
      R"(<tool_call>{"name": "f", "arguments": {"s": )" + repeated("[", kBytes),
      R"(<function=f><parameter=any>)" + repeated("[", kBytes) + "</parameter></function>",
      R"(<function=f><parameter=any>{)" + repeated("\"k\":1,", kBytes) + "\"l\":2}</parameter></function>",
  };
  for (const std::string& text : texts) {
    const auto start = std::chrono::steady_clock::now();
    ReplyParser parser({.parse_tools = true, .tools = kTools}, [] { return std::string("call"); });
    size_t bytes = 0;
    for (size_t i = 0; i < text.size(); i += 3) {
      for (const ReplyEvent& e : parser.push(std::string_view(text).substr(i, 3))) bytes += e.text.size();
    }
    for (const ReplyEvent& e : parser.finish()) bytes += e.text.size();
    EXPECT_LE(bytes, 2 * text.size());
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    EXPECT_LT(took.count(), 10) << text.substr(0, 40);
  }
}

}  // namespace
}  // namespace nextn
