// What published templates write for a model's own replies is read back as what was written.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "text/chat/chat_template.h"
#include "text/chat/reply_parser.h"

namespace nextn {
namespace {

using Json = nlohmann::ordered_json;

const Json kUser = {{"role", "user"}, {"content", "Write it."}};

const Json kTools = Json::parse(R"([{"type": "function", "function": {"name": "write_file", "description": "Writes.",
    "parameters": {"type": "object", "required": ["path"], "properties": {"path": {"type": "string"},
        "text": {"type": "string"}, "mode": {"type": "integer"}, "share": {"type": "number"},
        "force": {"type": "boolean"}, "tags": {"type": "array"}, "options": {"type": "object"}}}}},
    {"type": "function", "function": {"name": "list", "parameters": {"type": "object", "properties": {}}}}])");

const Json kArguments = Json::parse(R"({"path": "/tmp/a b.txt",
    "text": "\n\n# <b>Größe</b> & \"q\"\n\tif (a < b) { \\n }\n</tool\n\n", "mode": 420, "share": 0.25, "force": true,
    "tags": ["x", "12", {"y": null}], "options": {"deep": {"er": [1, 2.5]}, "s": "</function>"}})");

Json reply(const std::string& reasoning, const std::string& content) {
  const auto call = [](const char* name, const Json& arguments) {
    return Json{{"type", "function"}, {"function", {{"name", name}, {"arguments", arguments}}}};
  };
  return {{"role", "assistant"},
          {"content", content},
          {"reasoning_content", reasoning},
          {"tool_calls", {call("write_file", kArguments), call("list", Json::object())}}};
}

void expect_round_trip(const std::string& source, const std::string& reasoning, const std::string& content) {
  const ChatTemplate chat(source, "", "");
  const std::string prompt = chat.render(Json::array({kUser}), {.tools = kTools});
  std::string text =
      chat.render(Json::array({kUser, reply(reasoning, content)}), {.tools = kTools, .add_generation_prompt = false});
  ASSERT_TRUE(text.starts_with(prompt)) << text;
  text = text.substr(prompt.size());
  text.resize(std::min(text.size(), text.find("<|im_end|>")));

  ReplyParser parser({.starts_in_reasoning = ends_in_reasoning(prompt), .parse_tools = true, .tools = kTools});
  std::vector<ReplyEvent> events;
  for (const char c : text) {
    for (ReplyEvent& e : parser.push({&c, 1})) events.push_back(std::move(e));
  }
  for (ReplyEvent& e : parser.finish()) events.push_back(std::move(e));

  std::string read_reasoning, read_content, names;
  std::string arguments[2];
  ASSERT_EQ(parser.n_tools(), 2) << text;
  for (const ReplyEvent& e : events) {
    if (e.kind == ReplyEvent::Kind::kReasoning) read_reasoning += e.text;
    if (e.kind == ReplyEvent::Kind::kContent) read_content += e.text;
    if (e.kind == ReplyEvent::Kind::kToolBegin) names += e.text + " ";
    if (e.kind == ReplyEvent::Kind::kToolArguments) arguments[e.tool] += e.text;
    EXPECT_TRUE(e.whole);
  }
  EXPECT_EQ(read_reasoning, reasoning);
  EXPECT_EQ(read_content, content);
  EXPECT_EQ(names, "write_file list ");
  EXPECT_EQ(Json::parse(arguments[0]), kArguments) << text;
  EXPECT_EQ(arguments[1], "{}");
}

TEST(ReplyTemplates, CallsAreReadAsTheyWereWritten) {
  const char* const data = std::getenv("NEXTN_TEST_DATA");
  if (!data || *data == 0) GTEST_SKIP() << "NEXTN_TEST_DATA names no folder";
  const struct {
    const char* file;
    bool reasons;
  } kTemplates[] = {
      {"GLM-4.6", true},    {"GLM-4.7-Flash", true},    {"Qwen3-Coder", false},
      {"Qwen3.5-4B", true}, {"Qwen-Qwen3-0.6B", true},  {"Qwen-Qwen2.5-7B-Instruct", false},
      {"MiMo-VL", false},   {"StepFun3.5-Flash", true},
  };
  for (const auto& t : kTemplates) {
    SCOPED_TRACE(t.file);
    std::ifstream file(std::string(data) + "/data/templates/" + t.file + ".jinja");
    ASSERT_TRUE(file);
    const std::string source((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    expect_round_trip(source, t.reasons ? "First this,\n\nthen that." : "", "I'll write it.\n\nNow:");
    expect_round_trip(source, t.reasons ? "Hm." : "", "");
  }
}

}  // namespace
}  // namespace nextn
