// Functions that a model may or must call, in the words of all protocols.
#pragma once

#include <functional>
#include <string>

#include "api/fields.h"

namespace nextn::api {

struct ToolUse {
  Json tools = nullptr;   // that the model is told of, in the form of chat completions; null: none
  bool required = false;  // the answer is a call, or several
  std::string name;       // of this function; empty: of any
  bool parallel = true;   // several calls may be made
};

// `tools` of the body in the form of chat completions; null where there is nothing. function_of gives {"name",
// "description", "parameters"} of one of them, or refuses it. Throws Error{kRequest}.
Json read_tool_list(const Fields& body, const std::function<Json(const Fields& tool)>& function_of);

// name and description of a tool, and `parameters` where they are given. Throws Error{kRequest} for a tool without a
// name.
Json function_json(const Fields& tool, const std::optional<Fields>& parameters);

// OpenAI's tool_choice and parallel_tool_calls, as chat completions and as responses have them. tools: in the form of
// chat completions, perhaps null. Throws Error{kRequest}, also for a function that is none of them.
ToolUse read_tool_choice(const Fields& body, Json tools);

// That there is something to call, by the name where there is one. `field` begins the messages. Throws Error{kRequest}.
void check_tool_use(const ToolUse& use, const std::string& field);

}  // namespace nextn::api
