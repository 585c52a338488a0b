// llama.cpp's /tokenize and /detokenize: text and its tokens, whole answers.
#pragma once

#include "api/generation_request.h"

namespace nextn::api {

// {"tokens": [..]} of the body's content. Throws Error{kRequest}.
Json tokenize(const Json& body, const ServedModel& model);

// {"content": ".."} of the body's tokens. Throws Error{kRequest}.
Json detokenize(const Json& body, const ServedModel& model);

}  // namespace nextn::api
