// OpenAI's /v1/completions: a prompt goes on as it is, with no template.
#pragma once

#include "api/reply.h"

namespace nextn::api {

struct CompletionRequest {
  GenerationRequest generation;
  bool echo = false;  // the answer begins with the prompt
};

// Throws Error{kRequest}.
CompletionRequest read_completion(const Json& body, const ServedModel& model);

std::unique_ptr<Reply> completion_reply(const CompletionRequest& request, const ServedModel& model);

}  // namespace nextn::api
