// For check_calls.py: tool calls that grammars allow, as the reply parser reads them.
//
//   call_walks SEED < LINES      LINES: {"template": .., "tools": [..], "parallel": .., "walks": N, "texts": [..]}
//
// template: a chat template, whose way of writing calls is taken. Answers each line with {"walks": [..], "matches":
// [..]}: N times {"text", "content", "calls": [{"name", "arguments", "whole"}]} of a text that is made of random tokens
// (null where one did not end in time), and for each of the texts whether it is allowed as a whole. Or with {"error"}.
#include <iostream>

#include "api/chat_message.h"
#include "api/tool_call_grammar.h"
#include "random_walk.h"

namespace {

using nextn::ReplyEvent;
using nextn::api::Json;

Json read(const std::string& text, const Json& tools) {
  nextn::api::ChatMessage message;
  nextn::ReplyParser parser({.parse_tools = true, .tools = tools});
  for (const ReplyEvent& event : parser.push(text)) message.add(event);
  for (const ReplyEvent& event : parser.finish()) message.add(event);
  Json calls = Json::array();
  for (const auto& call : message.calls) {
    calls.push_back({{"name", call.name}, {"arguments", call.arguments}, {"whole", call.whole}});
  }
  return {{"text", text}, {"content", message.content}, {"calls", calls}};
}

}  // namespace

int main(int argc, char** argv) {
  std::mt19937 random(argc > 1 ? static_cast<unsigned>(std::stoul(argv[1])) : 1);
  const auto trie = nextn::grammar::make_trie();
  for (std::string line; std::getline(std::cin, line);) {
    Json answer;
    try {
      const Json request = Json::parse(line);
      nextn::api::ToolUse use;
      use.tools = request["tools"];
      use.parallel = request["parallel"];
      const nextn::ChatTemplate chat_template(request["template"].get<std::string>(), "", "");
      const auto grammar = nextn::api::tool_call_grammar(use, nextn::call_layout_of(chat_template), false);
      answer["walks"] = Json::array();
      for (int i = 0; i < request["walks"].get<int>(); i++) {
        const auto text = nextn::grammar::walk(grammar, trie, random);
        answer["walks"].push_back(text ? read(*text, use.tools) : Json(nullptr));
      }
      answer["matches"] = Json::array();
      for (const Json& text : request["texts"])
        answer["matches"].push_back(nextn::grammar::matches(grammar, trie, text.get<std::string>()));
    } catch (const std::exception& e) {
      answer = {{"error", e.what()}};
    }
    std::cout << nextn::api::to_text(answer) << "\n";
  }
}
