// The template by which a model was taught to read conversations: messages in OpenAI's form -> the text of a prompt.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "text/jinja/template.h"

namespace nextn {

struct ChatOptions {
  nlohmann::ordered_json tools = nullptr;                               // an array of functions in OpenAI's form
  bool add_generation_prompt = true;                                    // the prompt ends where the answer begins
  nlohmann::ordered_json variables = nlohmann::ordered_json::object();  // further names: enable_thinking ..
};

// What a client sends as JSON within a text. Discarded where it is none, or nested so deep that it could not be a
// template's.
nlohmann::ordered_json parse_chat_json(std::string_view text);

class ChatTemplate {
 public:
  // source: Jinja, as files have it under tokenizer.chat_template; empty: ChatML (<|im_start|>ROLE .. <|im_end|>). bos,
  // eos: the text of these tokens. Throws Error{kFile}: "chat template:LINE: ..".
  ChatTemplate(std::string_view source, std::string bos, std::string eos);

  // messages: an array of objects with role and content. A tool call's arguments, where they are a string of JSON, are
  // handed on as what they say; content in parts is joined where the template knows strings alone. Throws
  // Error{kRequest} for messages that are not such, and where the template refuses them.
  std::string render(const nlohmann::ordered_json& messages, const ChatOptions& options) const;

 private:
  std::string run(const nlohmann::ordered_json& messages, const ChatOptions& options) const;
  bool reads_parts() const;

  jinja::Template template_;
  std::string bos_, eos_;
  bool reads_parts_ = false;
};

}  // namespace nextn
