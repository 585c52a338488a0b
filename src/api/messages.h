// Anthropic's /v1/messages: a conversation in its form, an answer in its blocks.
#pragma once

#include "api/chat_request.h"
#include "api/reply.h"

namespace nextn::api {

// Throws Error{kRequest}, Error{kUnsupported}.
ChatRequest read_messages(const Json& body, const ServedModel& model);

std::unique_ptr<Reply> messages_reply(const ChatRequest& request, const ServedModel& model);

// {"type": "error", "error": {"type", "message"}}
Json messages_error(int status, std::string_view message);

}  // namespace nextn::api
