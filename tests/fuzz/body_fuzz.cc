// libFuzzer: whatever a client's body says, it is a request or an Error, in each protocol, and either has an answer
// that begins.
// Mutations mostly put one value where another one was, so that bodies stay JSON.
// Input: a letter for the protocol and the chat template, a to h with the first one and so on, and the body.
#include <algorithm>
#include <cstdlib>
#include <random>
#include <string_view>
#include <vector>

#include "api/chat_completions.h"
#include "api/completions.h"
#include "api/llama_completion.h"
#include "api/messages.h"
#include "api/responses.h"
#include "api/tokens.h"
#include "engine/tokenizer_loader.h"

namespace {

using namespace nextn;
using namespace nextn::api;

// A model that is not there, once with each chat template: ChatML, which knows of no tools; calls in Hermes' way, after
// reasoning; calls in XML's.
struct Models {
  gguf::File file = gguf::File::open(NEXTN_DEMO_MODEL);
  std::unique_ptr<Tokenizer> tokenizer = load_tokenizer(file);
  std::vector<ChatTemplate> templates;
  std::vector<ServedModel> served;

  Models() {
    templates.emplace_back("", "", "");
    templates.emplace_back(
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}"
        "{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}"
        "{% for c in m.tool_calls or [] %}<tool_call>\n"
        "{\"name\": \"{{ c.function.name }}\", \"arguments\": {{ c.function.arguments | tojson }}}\n</tool_call>"
        "{% endfor %}{% endfor %}{{ tools | tojson if tools }}"
        "{% if enable_thinking is not false and add_generation_prompt %}<think>\n{% endif %}",
        "", "");
    templates.emplace_back(
        "{% for m in messages %}<{{ m.role }}>{% for part in m.content %}{{ part.text or part }}{% endfor %}"
        "{% for c in m.tool_calls or [] %}<tool_call>\n<function={{ c.function.name }}>\n"
        "{% for k, v in c.function.arguments | items %}<parameter={{ k }}>\n{{ v }}\n</parameter>\n{% endfor %}"
        "</function>\n</tool_call>\n{% endfor %}{% endfor %}"
        "{% for t in tools or [] %}{{ t.function.name }}: {{ t.function.description }}{% endfor %}",
        "", "");
    for (const ChatTemplate& chat_template : templates) {
      ServedModel& model = served.emplace_back();
      model.id = "model";
      model.tokenizer = tokenizer.get();
      model.chat_template = &chat_template;
      model.n_ctx = 1000;
    }
  }
};

// What the server does with the body of each of its routes, to where the engine comes in: the answer's beginning.
using Route = std::string (*)(const Json& body, const ServedModel& model);
constexpr Route kRoutes[] = {
    [](const Json& body, const ServedModel& model) { return chat_reply(read_chat(body, model), model)->begin(); },
    [](const Json& body, const ServedModel& model) {
      return completion_reply(read_completion(body, model), model)->begin();
    },
    [](const Json& body, const ServedModel& model) {
      return responses_reply(read_responses(body, model), model)->begin();
    },
    [](const Json& body, const ServedModel& model) {
      return messages_reply(read_messages(body, model), model)->begin();
    },
    [](const Json& body, const ServedModel& model) {
      return std::to_string(read_messages(body, model).generation.prompts.at(0).size());
    },
    [](const Json& body, const ServedModel& model) {
      return llama_completion_reply(read_llama_completion(body, model), model)->begin();
    },
    [](const Json& body, const ServedModel& model) { return to_text({{"prompt", read_chat(body, model).prompt}}); },
    [](const Json& body, const ServedModel& model) {
      return to_text(body.contains("tokens") ? detokenize(body, model) : tokenize(body, model));
    },
};

void collect(Json& value, std::vector<Json*>& all) {
  all.push_back(&value);
  if (!value.is_structured()) return;
  for (Json& inner : value) collect(inner, all);
}

}  // namespace

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  static const Json kOdd = Json::parse(
      R"([null, true, false, 0, -1, 3, 1.5, 1e300, 18446744073709551615, "", "x", "\u0000", [], {}, [[]], [{}], ["a"]])");
  std::minstd_rand random(seed);
  const auto any_of = [&](const auto& from) { return from[random() % from.size()]; };
  if (size == 0 || random() % 3 == 0) return LLVMFuzzerMutate(data, size, max_size);
  Json body;
  try {
    body = parse_body({reinterpret_cast<const char*>(data + 1), size - 1});
  } catch (const Error&) {
    return LLVMFuzzerMutate(data, size, max_size);
  }
  std::vector<Json*> values;
  collect(body, values);
  const Json value = random() % 2 == 0 ? any_of(kOdd) : *any_of(values);
  *any_of(values) = value;
  const std::string text = to_text(body);
  if (text.size() >= max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::ranges::copy(text, data + 1);
  return text.size() + 1;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Models models;
  if (size == 0) return 0;
  const size_t choice = static_cast<uint8_t>(data[0] - 'a');
  const Route route = kRoutes[choice % std::size(kRoutes)];
  const ServedModel& model = models.served[choice / std::size(kRoutes) % models.served.size()];
  try {
    route(parse_body({reinterpret_cast<const char*>(data + 1), size - 1}), model);
  } catch (const Error& e) {
    const int status = status_of(e.code());
    if (status >= 500 && status != 501) std::abort();
    to_text(error_json(status, e.what()));
  }
  return 0;
}
