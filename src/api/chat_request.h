// A conversation that is to go on, from whatever protocol: what the chat template makes of it, and how the answer is to
// be read.
#pragma once

#include "api/generation_request.h"
#include "api/tools.h"
#include "text/chat/reply_parser.h"

namespace nextn::api {

struct ChatRequest {
  GenerationRequest generation;
  std::string prompt;  // what the template made of the conversation
  ReplyFormat format;
  bool names_function = false;  // that the model must call
};

// Fills in prompt, format and generation.prompts, and the grammar of a call that must be made. messages: in OpenAI's
// form. `fields`:
// chat_template_kwargs, add_generation_prompt, reasoning_format and reasoning_effort are read from it. variables: names
// for the template from elsewhere in the body. Throws
// Error{kRequest}, also for another grammar beside such a call.
void render_chat(ChatRequest& request, const Json& messages, const ToolUse& use, const Fields& fields,
                 const ServedModel& model, const Json& variables = Json::object());

// What a template is told of a field with "none", "low", .. "high".
void set_effort(Json& variables, const Fields& fields, const char* name);

// OpenAI's body. Throws Error{kRequest}, Error{kUnsupported}.
ChatRequest read_chat(const Json& body, const ServedModel& model);

}  // namespace nextn::api
