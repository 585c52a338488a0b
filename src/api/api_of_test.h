// What the tests of this folder share: the demo model's tokenizer and a template, and answers made up piece by piece.
#pragma once

#include <gtest/gtest.h>

#include "api/reply.h"
#include "engine/tokenizer_loader.h"

namespace nextn::api {

// A model that is not there: requests are read and answers written as if it were.
struct ModelOfTest {
  gguf::File file = gguf::File::open(NEXTN_DEMO_MODEL);
  std::unique_ptr<Tokenizer> tokenizer = load_tokenizer(file);
  ChatTemplate chat_template{
      "{% for m in messages %}<{{ m.role }}>{{ m.content }}"
      "{% if m.reasoning_content %}[{{ m.reasoning_content }}]{% endif %}"
      "{% for c in m.tool_calls or [] %}({{ c.function.name }} {{ c.function.arguments | tojson }}){% endfor %}"
      "{% endfor %}{% if tools %}{{ tools | tojson }}{% endif %}"
      "{% if enable_thinking %}<think>\n{% endif %}",
      "", ""};
  ServedModel served;

  ModelOfTest() {
    served.id = "model";
    served.tokenizer = tokenizer.get();
    served.chat_template = &chat_template;
    served.n_ctx = 1000;
  }
};

inline const ModelOfTest& model_of_test() {
  static const ModelOfTest kModel;
  return kModel;
}

// The events of a reply that is written in pieces of n bytes, [DONE] left out.
inline std::vector<Json> events_of(Reply& reply, const std::string& text, size_t n,
                                   EndReason reason = EndReason::kEos) {
  std::string all = reply.begin();
  for (size_t at = 0; at < text.size(); at += n) all += reply.piece(0, {text.substr(at, n), {}});
  Generation made;
  made.end_reason = reason;
  made.tokens.resize(7);
  made.stats.prompt_n = 5;
  all += reply.done(0, made);
  all += reply.end();
  std::vector<Json> events;
  for (size_t at = 0; (at = all.find("data: ", at)) != all.npos;) {
    const size_t end = all.find("\n\n", at);
    const std::string data = all.substr(at + 6, end - at - 6);
    if (data != "[DONE]") events.push_back(Json::parse(data));
    at = end;
  }
  return events;
}

inline std::string refusal_of(const std::function<void()>& read) {
  try {
    read();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

}  // namespace nextn::api
