// OpenAI's /v1/responses: input items in, output items out. Nothing is stored: every request brings its conversation.
#pragma once

#include "api/chat_request.h"
#include "api/reply.h"

namespace nextn::api {

struct ResponsesRequest {
  ChatRequest chat;
  Json echoed = Json::object();  // fields that a response repeats
};

// Throws Error{kRequest}, Error{kUnsupported}.
ResponsesRequest read_responses(const Json& body, const ServedModel& model);

std::unique_ptr<Reply> responses_reply(const ResponsesRequest& request, const ServedModel& model);

}  // namespace nextn::api
