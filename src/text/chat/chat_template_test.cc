#include "text/chat/chat_template.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace nextn {
namespace {

using Json = nlohmann::ordered_json;

const Json kHello = Json::array({{{"role", "user"}, {"content", "Hello"}}});

std::string error_of(const ChatTemplate& t, const Json& messages, const ChatOptions& options = {}) {
  try {
    return "no error: " + t.render(messages, options);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kRequest);
    return e.what();
  }
}

TEST(ChatTemplate, WithoutOneItIsChatMl) {
  const ChatTemplate t("", "", "");
  EXPECT_EQ(t.render(kHello, {}), "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(t.render(kHello, {.add_generation_prompt = false}), "<|im_start|>user\nHello<|im_end|>\n");
}

TEST(ChatTemplate, NamesThatTemplatesKnow) {
  const ChatTemplate t(
      "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ tools is defined }}{{ enable_thinking }}", "<s>",
      "</s>");
  EXPECT_EQ(t.render(kHello, {}), "<s>Hello</s>False");
  EXPECT_EQ(t.render(kHello, {.tools = Json::array(), .variables = {{"enable_thinking", false}}}),
            "<s>Hello</s>TrueFalse");
}

TEST(ChatTemplate, PartsAreJoinedForTemplatesThatKnowStringsAlone) {
  const Json parts =
      Json::array({{{"role", "user"},
                    {"content", Json::array({{{"type", "text"}, {"text", "a"}}, {{"type", "text"}, {"text", "b"}}})}}});
  const char* const kStrings = "{{ messages[0].content }}";
  const char* const kParts = "{% for p in messages[0].content %}[{{ p.text }}]{% endfor %}";
  EXPECT_EQ(ChatTemplate(kStrings, "", "").render(parts, {}), "ab");
  EXPECT_EQ(ChatTemplate(kParts, "", "").render(parts, {}), "[a][b]");
  const Json image = Json::array({{{"role", "user"}, {"content", Json::array({{{"type", "image_url"}}})}}});
  EXPECT_EQ(error_of(ChatTemplate(kStrings, "", ""), image), "messages[0].content: expected parts of type text");
}

TEST(ChatTemplate, ArgumentsOfToolCallsAreRead) {
  const ChatTemplate t("{{ messages[0].tool_calls[0].function.arguments | tojson }}", "", "");
  const auto with = [&](const Json& arguments) {
    return t.render(
        Json::array({{{"role", "assistant"},
                      {"tool_calls", Json::array({{{"function", {{"name", "f"}, {"arguments", arguments}}}}})}}}),
        {});
  };
  EXPECT_EQ(with(R"({"a":1})"), R"({"a": 1})");
  EXPECT_EQ(with({{"a", 1}}), R"({"a": 1})");
  EXPECT_EQ(with("not JSON"), R"("not JSON")");
}

TEST(ChatTemplate, WhatIsNoConversationIsRefused) {
  const ChatTemplate t("{{ raise_exception('Roles must alternate.') }}", "", "");
  EXPECT_EQ(error_of(t, Json::array()), "messages: expected an array of at least one message");
  EXPECT_EQ(error_of(t, "Hello"), "messages: expected an array of at least one message");
  EXPECT_EQ(error_of(t, Json::array({"Hello"})), "messages[0]: expected an object with a role");
  EXPECT_EQ(error_of(t, Json::array({{{"role", "user"}, {"content", 1}}})),
            "messages[0].content: expected a string, an array of parts or null, found number");
  const Json odd_part = {{"type", 3}, {"text", "Hello"}};
  EXPECT_EQ(error_of(ChatTemplate("", "", ""), Json::array({{{"role", "user"}, {"content", Json::array({odd_part})}}})),
            "messages[0].content: expected parts of type text");
  EXPECT_EQ(error_of(t, kHello, {.tools = 1}), "tools: expected an array");
  EXPECT_EQ(error_of(t, kHello, {.variables = 1}), "chat_template_kwargs: expected an object, found number");
  EXPECT_EQ(error_of(t, kHello), "chat template:1: Roles must alternate.");
  EXPECT_THROW(ChatTemplate("{% if %}", "", ""), Error);
}

}  // namespace
}  // namespace nextn
