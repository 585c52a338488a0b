#include "text/chat/reply_parser.h"

#include <gtest/gtest.h>

#include <chrono>

#include "base/clock.h"
#include "text/chat/parsed_reply.h"

namespace nextn {
namespace {

using Json = nlohmann::ordered_json;

const Json kTools = Json::parse(R"([{"function": {"name": "f", "parameters": {"properties": {
    "s": {"type": "string"}, "i": {"type": "integer"}}}}}])");

std::string think(std::string_view text) {
  return parsed({.starts_in_reasoning = true}, text);
}
std::string plain(std::string_view text) {
  return parsed({}, text);
}
std::string tools(std::string_view text) {
  return parsed({.parse_tools = true}, text);
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
    const auto start = Clock::now();
    ReplyParser parser({.parse_tools = true, .tools = kTools}, [] { return std::string("call"); });
    size_t bytes = 0;
    for (size_t i = 0; i < text.size(); i += 3) {
      for (const ReplyEvent& e : parser.push(std::string_view(text).substr(i, 3))) bytes += e.text.size();
    }
    for (const ReplyEvent& e : parser.finish()) bytes += e.text.size();
    EXPECT_LE(bytes, 2 * text.size());
    const std::chrono::duration<double> took = Clock::now() - start;
    EXPECT_LT(took.count(), 10) << text.substr(0, 40);
  }
}

}  // namespace
}  // namespace nextn
