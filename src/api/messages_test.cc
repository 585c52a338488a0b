#include "api/messages.h"

#include "api/api_of_test.h"

namespace nextn::api {
namespace {

const char* const kConversation = R"({
  "system": [{"type": "text", "text": "S"}], "max_tokens": 9, "stream": true,
  "messages": [
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": ""}, {"type": "text", "text": "b"},
                                      {"type": "tool_use", "id": "1", "name": "f", "input": {"n": 1}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "r"}]},
                                 {"type": "text", "text": "c"}]}],
  "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}]})";

TEST(Messages, AConversationIsRead) {
  const ChatRequest request = read_messages(Json::parse(kConversation), model_of_test().served);
  EXPECT_EQ(request.prompt,
            "<system>S<user>a<assistant>b[t](f {\"n\": 1})<tool>r<user>c"
            "[{\"type\": \"function\", \"function\": {\"name\": \"f\", \"description\": \"d\", "
            "\"parameters\": {\"type\": \"object\"}}}]");
  EXPECT_EQ(request.generation.params.n_predict, 9);
}

TEST(Messages, AnAnswerComesInBlocks) {
  const ServedModel& model = model_of_test().served;
  Json body = Json::parse(kConversation);
  body["thinking"] = {{"type", "enabled"}, {"budget_tokens", 1024}};
  const std::string text =
      "why\n</think>\n\nSo:\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"n\": 2}}\n</tool_call>";
  for (const size_t n : {1u, 5u, 1000u}) {
    const std::unique_ptr<Reply> reply = messages_reply(read_messages(body, model), model);
    std::vector<std::string> types;
    std::string thinking, said, arguments;
    for (const Json& event : events_of(*reply, text, n)) {
      types.push_back(event["type"]);
      if (event["type"] == "content_block_start")
        types.back() += std::string(":") + std::string(event["content_block"]["type"]);
      if (types.size() > 1 && types[types.size() - 2] == types.back()) types.pop_back();
      if (event["type"] != "content_block_delta") continue;
      thinking += event["delta"].value("thinking", "");
      said += event["delta"].value("text", "");
      arguments += event["delta"].value("partial_json", "");
    }
    EXPECT_EQ(types,
              (std::vector<std::string>{"message_start", "content_block_start:thinking", "content_block_delta",
                                        "content_block_stop", "content_block_start:text", "content_block_delta",
                                        "content_block_stop", "content_block_start:tool_use", "content_block_delta",
                                        "content_block_stop", "message_delta", "message_stop"}));
    EXPECT_EQ(thinking, "why");
    EXPECT_EQ(said, "So:");
    EXPECT_EQ(Json::parse(arguments), Json::parse(R"({"n": 2})"));
    const Json whole = Json::parse(reply->body());
    EXPECT_EQ(whole["stop_reason"], "tool_use");
    EXPECT_EQ(whole["content"][2]["input"], Json::parse(R"({"n": 2})"));
    EXPECT_EQ(whole["usage"]["output_tokens"], 7);
  }
}

TEST(Messages, WhatIsWrongIsNamed) {
  const auto refused = [&](const char* body) {
    return refusal_of([&] { read_messages(Json::parse(body), model_of_test().served); });
  };
  EXPECT_NE(refused(R"({"messages": []})").find("messages: expected"), std::string::npos);
  EXPECT_EQ(refused(R"({"messages": [{"role": "robot", "content": "x"}]})"),
            "messages[0].role: expected user or assistant, found 'robot'");
  EXPECT_EQ(refused(R"({"messages": [{"role": "user", "content": [{"type": "image"}]}]})"),
            "messages[0].content[0].type: expected text, thinking, tool_use or tool_result, found 'image'");
  EXPECT_NE(refused(R"({"messages": [{"role": "user", "content": "x"}], "tools": [{}]})").find("tools[0]"),
            std::string::npos);
  EXPECT_EQ(messages_error(429, "x")["error"]["type"], "rate_limit_error");
}

TEST(Messages, AToolMayBeForced) {
  const ServedModel& model = model_of_test().served;
  Json body = Json::parse(kConversation);
  const auto grammar_of = [&](const char* choice) {
    body["tool_choice"] = Json::parse(choice);
    return read_messages(body, model).generation.params.grammar;
  };
  EXPECT_EQ(grammar_of(R"({"type": "auto", "disable_parallel_tool_use": true})"), nullptr);
  EXPECT_EQ(grammar_of(R"({"type": "none"})"), nullptr);
  EXPECT_NE(grammar_of(R"({"type": "any"})"), nullptr);
  EXPECT_NE(grammar_of(R"({"type": "tool", "name": "f"})"), nullptr);
  const auto refused = [&](const char* choice) { return refusal_of([&] { grammar_of(choice); }); };
  EXPECT_EQ(refused(R"({"type": "tool", "name": "g"})"),
            "tool_choice: expected the name of one of the tools, found 'g'");
  EXPECT_EQ(refused(R"({"type": "tool"})"), "tool_choice.name: expected the name of a tool, found none");
  EXPECT_EQ(refused(R"({"type": "some"})"), "tool_choice.type: expected auto, none, any or tool, found 'some'");
  body.erase("tools");
  EXPECT_EQ(refused(R"({"type": "any"})"), "tool_choice: expected tools to call, found none");
}

}  // namespace
}  // namespace nextn::api
