#include "api/responses.h"

#include "api/api_of_test.h"

namespace nextn::api {
namespace {

const char* const kConversation = R"({
  "instructions": "S", "stream": true, "max_output_tokens": 9, "input": [
    {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
    {"type": "reasoning", "id": "r", "summary": [], "content": [{"type": "reasoning_text", "text": "t"}]},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "b"}]},
    {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{\"n\": 1}"},
    {"type": "function_call_output", "call_id": "1", "output": "r"},
    {"role": "developer", "content": "c"}],
  "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}]})";

TEST(Responses, AConversationIsRead) {
  const ChatRequest request = read_responses(Json::parse(kConversation), model_of_test().served).chat;
  EXPECT_TRUE(request.prompt.starts_with("<system>S<user>a<assistant>b[t](f {\"n\": 1})<tool>r<system>c["))
      << request.prompt;
  EXPECT_EQ(request.generation.params.n_predict, 9);
  EXPECT_EQ(read_responses(Json::parse(R"({"input": "hi"})"), model_of_test().served).chat.prompt, "<user>hi");
}

TEST(Responses, AnAnswerComesInItems) {
  const ServedModel& model = model_of_test().served;
  const std::string text = "So:\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"n\": 2}}\n</tool_call>";
  const std::unique_ptr<Reply> reply = responses_reply(read_responses(Json::parse(kConversation), model), model);
  std::vector<std::string> types;
  Json last;
  int64_t number = 0;
  for (const Json& event : events_of(*reply, text, 6)) {
    EXPECT_EQ(event["sequence_number"], number++);
    if (types.empty() || types.back() != event["type"].get<std::string>()) types.push_back(event["type"]);
    last = event;
  }
  EXPECT_EQ(types,
            (std::vector<std::string>{
                "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
                "response.output_text.delta", "response.output_text.done", "response.content_part.done",
                "response.output_item.done", "response.output_item.added", "response.function_call_arguments.delta",
                "response.function_call_arguments.done", "response.output_item.done", "response.completed"}));
  const Json& output = last["response"]["output"];
  EXPECT_EQ(output[0]["content"][0]["text"], "So:");
  EXPECT_EQ(output[1]["name"], "f");
  EXPECT_EQ(Json::parse(output[1]["arguments"].get<std::string>()), Json::parse(R"({"n": 2})"));
  EXPECT_EQ(last["response"]["usage"]["total_tokens"], 12);
}

TEST(Responses, WhatHasNoEndIsIncomplete) {
  const ServedModel& model = model_of_test().served;
  const std::unique_ptr<Reply> reply =
      responses_reply(read_responses(Json::parse(R"({"input": "hi", "stream": true})"), model), model);
  const std::vector<Json> events = events_of(*reply, "abc", 1, EndReason::kLength);
  EXPECT_EQ(events.back()["type"], "response.incomplete");
  EXPECT_EQ(events.back()["response"]["incomplete_details"]["reason"], "max_output_tokens");
}

TEST(Responses, WhatIsNotStoredIsRefused) {
  const auto refused = [&](const char* body) {
    return refusal_of([&] { read_responses(Json::parse(body), model_of_test().served); });
  };
  EXPECT_NE(refused(R"({"input": "x", "previous_response_id": "y"})").find("previous_response_id"), std::string::npos);
  EXPECT_NE(refused(R"({"input": 3})").find("input"), std::string::npos);
  EXPECT_NE(refused(R"({"input": [{"type": "computer_call"}]})").find("input[0].type"), std::string::npos);
  EXPECT_NE(refused(R"({"input": "x", "tools": [{"type": "web_search"}]})").find("tools[0].type"), std::string::npos);
}

TEST(Responses, AFunctionMayBeForced) {
  const ServedModel& model = model_of_test().served;
  Json body = Json::parse(R"({"input": "hi", "tools": [{"type": "function", "name": "f", "parameters": {}}]})");
  for (const char* choice : {R"("required")", R"({"type": "function", "name": "f"})",
                             R"({"type": "allowed_tools", "mode": "required", "tools": [{"name": "f"}]})"}) {
    body["tool_choice"] = Json::parse(choice);
    const ResponsesRequest request = read_responses(body, model);
    EXPECT_NE(request.chat.generation.params.grammar, nullptr) << choice;
    EXPECT_EQ(request.echoed["tool_choice"], body["tool_choice"]);
  }
  const auto refused = [&] { return refusal_of([&] { read_responses(body, model); }); };
  body["tool_choice"] = {{"type", "function"}, {"name", "g"}};
  EXPECT_EQ(refused(), "tool_choice: expected the name of one of the tools, found 'g'");
  body["tool_choice"] = "required";
  body["text"] = {{"format", {{"type", "json_object"}}}};
  EXPECT_EQ(refused(), "tool_choice: expected no response_format or grammar beside a call that must be made");
}

}  // namespace
}  // namespace nextn::api
