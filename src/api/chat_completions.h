// OpenAI's /v1/chat/completions: a conversation goes through the model's chat template, its answer comes apart into
// reasoning, content and tool calls.
#pragma once

#include "api/reply.h"

namespace nextn::api {

struct ChatRequest {
  GenerationRequest generation;
  std::string prompt;  // what the template made of the conversation
  Json tools = nullptr;
};

// messages, tools and template variables of a request to the text of a prompt. Throws Error{kRequest}.
std::string render_chat(const Json& messages, const Json& tools, const Fields& fields, const ServedModel& model);

// Throws Error{kRequest}.
ChatRequest read_chat(const Json& body, const ServedModel& model);

std::unique_ptr<Reply> chat_reply(const ChatRequest& request, const ServedModel& model);

}  // namespace nextn::api
