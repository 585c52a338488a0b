// The form that an answer has to have, in the words of all protocols: a grammar of it.
#pragma once

#include <memory>

#include "api/fields.h"
#include "grammar/grammar.h"

namespace nextn::api {

// {"type": "text" | "json_object" | "json_schema", ..}: OpenAI's response_format, and text.format of its responses;
// nullptr for text. Throws Error{kRequest}.
std::shared_ptr<const grammar::Grammar> read_format(const Fields& format);

// What else a body may have: llama.cpp's `grammar` (GBNF) and `json_schema`, vLLM's guided_json, guided_regex,
// guided_choice and guided_grammar; nullptr where it has none. Throws Error{kRequest}, also for more than one.
std::shared_ptr<const grammar::Grammar> read_grammar(const Fields& body);

}  // namespace nextn::api
