// What a client wants written, whatever protocol it asked in, and the model that is to write it.
#pragma once

#include <string>
#include <vector>

#include "api/fields.h"
#include "engine/session.h"
#include "text/chat/chat_template.h"

namespace nextn::api {

// The model that a server serves. Immutable while it serves; any number of threads may read it.
struct ServedModel {
  std::string id;       // what clients call it
  int64_t created = 0;  // Unix time
  const Tokenizer* tokenizer = nullptr;
  const ChatTemplate* chat_template = nullptr;
  int64_t n_ctx = 0;
  GenerateParams defaults;  // what a request does not say: sampling and drafts
  nlohmann::ordered_json template_variables = nlohmann::ordered_json::object();  // --chat-template-kwargs
};

struct GenerationRequest {
  std::vector<std::vector<int32_t>> prompts;
  int n = 1;              // answers to each of them
  GenerateParams params;  // of all of them; params.choice tells the answers to one prompt apart
  bool stream = false;
  bool include_usage = false;      // in a stream: an event with it at the end
  bool timings_per_token = false;  // in a stream: speed and drafts in every event

  int n_choices() const noexcept { return n * static_cast<int>(prompts.size()); }
};

// The fields that all protocols share: sampling, stop strings, drafts, streaming. Names are OpenAI's, and llama.cpp's
// and vLLM's for what OpenAI has no name for. A seed that is not given is drawn. Throws Error{kRequest}.
GenerationRequest read_generation_request(const Fields& body, const ServedModel& model);

// Ids of a prompt: text, ids, or an array that mixes them. Throws Error{kRequest}; `name` is the field's.
std::vector<int32_t> read_prompt(const Json& prompt, const std::string& name, const ServedModel& model);

// One prompt or several: an array of arrays, or of texts alone, is several.
std::vector<std::vector<int32_t>> read_prompts(const Json& prompt, const std::string& name, const ServedModel& model);

}  // namespace nextn::api
