// llama.cpp's /completion: as OpenAI's completions, in its own fields.
#pragma once

#include "api/reply.h"

namespace nextn::api {

// Throws Error{kRequest}.
GenerationRequest read_llama_completion(const Json& body, const ServedModel& model);

// generation_settings of an answer.
Json settings_json(const GenerateParams& params);

std::unique_ptr<Reply> llama_completion_reply(const GenerationRequest& request, const ServedModel& model);

}  // namespace nextn::api
