#include "api/chat_completions.h"

#include "api/api_of_test.h"

namespace nextn::api {
namespace {

Json body_of(const std::string& more = "{}") {
  Json body = Json::parse(R"({"messages": [{"role": "user", "content": "hi"}], "stream": true, "seed": 1})");
  body.update(Json::parse(more));
  return body;
}

const char* const kTools =
    R"({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object",
        "properties": {"n": {"type": "integer"}, "s": {"type": "string"}}}}}]})";

const char* const kCall =
    "Let me see.\n\n<tool_call>\n<function=f>\n<parameter=n>\n42\n</parameter>\n<parameter=s>\na \"b\"\n</parameter>\n"
    "</function>\n</tool_call>";

// What a client puts together from the deltas.
struct Heard {
  std::string content, reasoning, finish, name, id, arguments;
};

Heard heard(const std::vector<Json>& events) {
  Heard h;
  for (const Json& event : events) {
    EXPECT_EQ(event["object"], "chat.completion.chunk");
    for (const Json& choice : event["choices"]) {
      const Json& delta = choice["delta"];
      h.content += delta.value("content", "");
      h.reasoning += delta.value("reasoning_content", "");
      if (choice["finish_reason"].is_string()) h.finish = choice["finish_reason"];
      for (const Json& call : delta.value("tool_calls", Json::array())) {
        EXPECT_EQ(call["index"], 0);
        h.id += call.value("id", "");
        h.name += call["function"].value("name", "");
        h.arguments += call["function"].value("arguments", "");
      }
    }
  }
  return h;
}

TEST(ChatCompletions, CallsAreStreamedAndWhole) {
  const ServedModel& model = model_of_test().served;
  for (const size_t n : {1u, 7u, 1000u}) {
    const ChatRequest request = read_chat(body_of(kTools), model);
    EXPECT_NE(request.prompt.find("\"name\": \"f\""), std::string::npos) << request.prompt;
    const Heard h = heard(events_of(*chat_reply(request, model), kCall, n));
    EXPECT_EQ(h.content, "Let me see.");
    EXPECT_EQ(h.name, "f");
    EXPECT_TRUE(h.id.starts_with("call_"));
    EXPECT_EQ(Json::parse(h.arguments), Json::parse(R"({"n": 42, "s": "a \"b\""})"));
    EXPECT_EQ(h.finish, "tool_calls");

    const std::unique_ptr<Reply> whole = chat_reply(read_chat(body_of(R"({"stream": false})"), model), model);
    events_of(*whole, kCall, n);
    EXPECT_EQ(Json::parse(whole->body())["choices"][0]["message"]["content"], kCall) << "no tools, no calls";
  }
  Json body = body_of(kTools);
  body["stream"] = false;
  const std::unique_ptr<Reply> reply = chat_reply(read_chat(body, model), model);
  events_of(*reply, kCall, 3);
  const Json message = Json::parse(reply->body())["choices"][0]["message"];
  EXPECT_EQ(message["content"], "Let me see.");
  EXPECT_EQ(message["tool_calls"][0]["function"]["name"], "f");
  EXPECT_EQ(message["tool_calls"][0]["type"], "function");
}

TEST(ChatCompletions, ReasoningIsApart) {
  const ServedModel& model = model_of_test().served;
  const char* const thinking = R"({"chat_template_kwargs": {"enable_thinking": true}})";
  const ChatRequest request = read_chat(body_of(thinking), model);
  EXPECT_TRUE(request.format.starts_in_reasoning);
  const Heard h = heard(events_of(*chat_reply(request, model), "so and so\n</think>\n\nYes.", 4));
  EXPECT_EQ(h.reasoning, "so and so");
  EXPECT_EQ(h.content, "Yes.");
  EXPECT_EQ(h.finish, "stop");
  EXPECT_FALSE(read_chat(body_of(R"({"reasoning_effort": "none"})"), model).format.starts_in_reasoning);
}

TEST(ChatCompletions, AForcedFormBeginsAfterTheReasoning) {
  const ServedModel& model = model_of_test().served;
  Json body = body_of(R"({"response_format": {"type": "json_object"}})");
  EXPECT_NE(read_chat(body, model).generation.params.grammar, nullptr);
  EXPECT_EQ(read_chat(body, model).generation.params.grammar_after, "");
  body["chat_template_kwargs"] = {{"enable_thinking", true}};
  EXPECT_EQ(read_chat(body, model).generation.params.grammar_after, "</think>");
  for (const char* name : {"grammar", "guided_regex"}) {
    Json one = body_of();
    one[name] = name == std::string("grammar") ? "root ::= \"a\"" : "a+";
    EXPECT_NE(read_chat(one, model).generation.params.grammar, nullptr);
  }
}

TEST(ChatCompletions, ACallThatMustBeMadeHasAGrammar) {
  const ServedModel& model = model_of_test().served;
  const auto read = [&](const char* more) {
    Json body = body_of(kTools);
    body.update(Json::parse(more));
    return read_chat(body, model);
  };
  const char* const kNamed = R"({"tool_choice": {"type": "function", "function": {"name": "f"}}})";
  for (const char* choice : {R"({"tool_choice": "auto"})", R"({"tool_choice": "none"})", R"({"tool_choice": null})",
                             R"({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto",
                                 "tools": [{"type": "function", "function": {"name": "f"}}]}}})"}) {
    EXPECT_EQ(read(choice).generation.params.grammar, nullptr) << choice;
  }
  for (const char* choice : {R"({"tool_choice": "required"})", kNamed,
                             R"({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required",
                                 "tools": [{"type": "function", "function": {"name": "f"}}]}}})"}) {
    EXPECT_NE(read(choice).generation.params.grammar, nullptr) << choice;
    EXPECT_EQ(read(choice).generation.params.grammar_after, "");
    EXPECT_TRUE(read(choice).format.parse_tools);
  }
  const ChatRequest thinking =
      read(R"({"tool_choice": "required", "chat_template_kwargs": {"enable_thinking": true}})");
  EXPECT_NE(thinking.generation.params.grammar, nullptr);
  EXPECT_EQ(thinking.generation.params.grammar_after, "</think>");

  const Heard required = heard(events_of(*chat_reply(read(R"({"tool_choice": "required"})"), model), kCall, 5));
  EXPECT_EQ(required.finish, "tool_calls");
  EXPECT_EQ(heard(events_of(*chat_reply(read(kNamed), model), kCall, 5)).finish, "stop");
  EXPECT_EQ(heard(events_of(*chat_reply(read(kNamed), model), kCall, 5, EndReason::kLength)).finish, "length");
}

TEST(ChatCompletions, ACallThatCannotBeMadeIsRefused) {
  const ServedModel& model = model_of_test().served;
  const auto refused = [&](const char* more) {
    Json body = body_of(kTools);
    body.update(Json::parse(more));
    return refusal_of([&] { read_chat(body, model); });
  };
  EXPECT_EQ(refused(R"({"tool_choice": {"type": "function", "function": {"name": "g"}}})"),
            "tool_choice: expected the name of one of the tools, found 'g'");
  EXPECT_EQ(refused(R"({"tool_choice": "required", "tools": []})"), "tool_choice: expected tools to call, found none");
  EXPECT_EQ(refused(R"({"tool_choice": "f"})"),
            "tool_choice: expected none, auto, required or a function, found \"f\"");
  EXPECT_EQ(refused(R"({"tool_choice": {"type": "custom"}})"),
            "tool_choice.type: expected function or allowed_tools, found 'custom'");
  EXPECT_EQ(refused(R"({"tool_choice": {"type": "function", "function": {}}})"),
            "tool_choice.function.name: expected the name of a function, found none");
  EXPECT_EQ(refused(R"({"tool_choice": {"type": "allowed_tools", "mode": "some", "tools": []}})"),
            "tool_choice.mode: expected auto or required, found 'some'");
  EXPECT_EQ(refused(R"({"tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"name": "g"}]}})"),
            "tool_choice.tools[0]: expected the name of one of the tools, found 'g'");
  EXPECT_EQ(refused(R"({"tool_choice": "required", "response_format": {"type": "json_object"}})"),
            "tool_choice: expected no response_format or grammar beside a call that must be made");
  EXPECT_EQ(refused(R"({"tool_choice": "required", "tools": [{"type": "function", "function":
                {"name": "g", "parameters": {"properties": {"a": {"contains": 1}}}}}]})"),
            "tools[g].parameters.properties.a.contains: this keyword is not supported");
}

TEST(ChatCompletions, WhatCannotBeIsRefused) {
  const ServedModel& model = model_of_test().served;
  const auto refused = [&](const char* more) { return refusal_of([&] { read_chat(body_of(more), model); }); };
  EXPECT_EQ(refused(R"({"response_format": {"type": "xml"}})"),
            "response_format.type: expected text, json_object or json_schema, found 'xml'");
  EXPECT_EQ(refused(R"({"response_format": {"type": "json_schema", "json_schema": {}}})"),
            "response_format.json_schema: expected a schema");
  EXPECT_NE(
      refused(R"({"response_format": {"type": "json_schema", "json_schema": {"schema": {"not": {}}}}})").find("not"),
      std::string::npos);
  EXPECT_NE(refused(R"({"grammar": "root ::= ("})").find("gbnf"), std::string::npos);
  EXPECT_NE(refused(R"({"grammar": "root ::= \"a\"", "guided_regex": "b"})").find("one grammar"), std::string::npos);
  EXPECT_NE(refused(R"({"guided_choice": []})").find("guided_choice"), std::string::npos);
  EXPECT_NE(refused(R"({"tools": 3})").find("tools"), std::string::npos);
  EXPECT_NE(refused(R"({"tools": [{"type": 3, "function": {"name": "f"}}]})").find("tools[0]"), std::string::npos);
  EXPECT_NE(refused(R"({"functions": [{}]})").find("functions"), std::string::npos);
}

}  // namespace
}  // namespace nextn::api
