#include "text/chat/call_layout.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace nextn {
namespace {

using Json = nlohmann::ordered_json;

// A call of `f` with these arguments, as the layout has it. JSON's own spaces are the templates'.
std::string call(const CallLayout& layout, const std::vector<std::pair<std::string, std::string>>& arguments) {
  std::string text(layout.begin);
  text += layout.has_json_arguments() ? "\"f\"" : "f";
  text += layout.after_name;
  if (layout.has_json_arguments()) text += "{";
  for (size_t i = 0; i < arguments.size(); i++) {
    const auto& [key, value] = arguments[i];
    if (layout.has_json_arguments()) {
      text += i == 0 ? "\"" : ", \"";
      text += key;
      text += "\": \"";
      text += value;
      text += "\"";
      continue;
    }
    text += layout.before_key;
    text += key;
    text += layout.after_key;
    text += value;
    text += layout.after_value;
  }
  if (layout.has_json_arguments()) text += "}";
  text += layout.end;
  return text;
}

Json call_json(const Json& arguments) {
  return {{"type", "function"}, {"function", {{"name", "f"}, {"arguments", arguments}}}};
}

TEST(CallLayout, IsWhatTemplatesWrite) {
  const char* const data = std::getenv("NEXTN_TEST_DATA");
  if (!data || *data == 0) GTEST_SKIP() << "NEXTN_TEST_DATA names no folder";
  const struct {
    const char* file;
    std::string_view begin, after_reasoning;
  } kTemplates[] = {
      {"GLM-4.6", "<tool_call>", "\n"},
      {"GLM-4.7-Flash", "<tool_call>", ""},
      {"Qwen3-Coder", "<tool_call>\n<function=", ""},
      {"Qwen3.5-4B", "<tool_call>\n<function=", "\n\n"},
      {"StepFun3.5-Flash", "<tool_call>\n<function=", "\n"},
      {"Qwen-Qwen3-0.6B", "<tool_call>\n{\"name\": ", "\n\n"},
      {"Qwen-QwQ-32B", "<tool_call>\n{\"name\": ", ""},
      {"Qwen-Qwen2.5-7B-Instruct", "<tool_call>\n{\"name\": ", ""},
      {"MiMo-VL", "<tool_call>\n{\"name\": ", ""},
      {"deepseek-ai-DeepSeek-V3.1", "<tool_call>\n{\"name\": ", ""},
      {"meta-llama-Llama-3.1-8B-Instruct", "<tool_call>\n{\"name\": ", ""},
  };
  for (const auto& t : kTemplates) {
    SCOPED_TRACE(t.file);
    std::ifstream file(std::string(data) + "/data/templates/" + t.file + ".jinja");
    ASSERT_TRUE(file);
    const std::string source((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const ChatTemplate chat(source, "", "");
    const CallLayout layout = call_layout_of(chat);
    EXPECT_EQ(layout.begin, t.begin);
    EXPECT_EQ(layout.after_reasoning, t.after_reasoning);
    if (std::string_view(t.file).starts_with("deepseek") || std::string_view(t.file).starts_with("meta")) continue;
    const Json reply = {{"role", "assistant"},
                        {"content", ""},
                        {"reasoning_content", "Hm."},
                        {"tool_calls", {call_json({{"a", "x"}, {"b", "y"}}), call_json(Json::object())}}};
    const std::string text =
        chat.render({{{"role", "user"}, {"content", "Go."}}, reply}, {.add_generation_prompt = false});
    const std::string calls = call(layout, {{"a", "x"}, {"b", "y"}}) + layout.between + call(layout, {});
    EXPECT_NE(text.find(calls), text.npos) << text << "\nhas not\n" << calls;
  }
}

TEST(CallLayout, ATemplateWithoutCallsGetsHermes) {
  const CallLayout layout = call_layout_of(ChatTemplate("", "", ""));
  EXPECT_TRUE(layout.has_json_arguments());
  EXPECT_EQ(call(layout, {{"a", "x"}}) + layout.between + call(layout, {}),
            "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"x\"}}\n</tool_call>\n"
            "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>");
  EXPECT_EQ(layout.after_reasoning, "");
}

}  // namespace
}  // namespace nextn
