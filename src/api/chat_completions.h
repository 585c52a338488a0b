// OpenAI's /v1/chat/completions: what a client is told of an answer.
#pragma once

#include "api/chat_request.h"
#include "api/reply.h"

namespace nextn::api {

std::unique_ptr<Reply> chat_reply(const ChatRequest& request, const ServedModel& model);

}  // namespace nextn::api
