#include "text/chat/chat_template.h"

#include "base/error.h"
#include "text/jinja/sandbox.h"
#include "text/jinja/value.h"

namespace nextn {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kChatMl =
    "{% for message in messages %}{{ '<|im_start|>' ~ message.role ~ '\\n' ~ message.content ~ '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

void check_messages(const Json& messages) {
  if (!messages.is_array() || messages.empty()) {
    fail(ErrorCode::kRequest, "messages: expected an array of at least one message");
  }
  for (size_t i = 0; i < messages.size(); i++) {
    const Json& m = messages[i];
    if (!m.is_object() || !m.contains("role") || !m["role"].is_string()) {
      fail(ErrorCode::kRequest, "messages[{}]: expected an object with a role", i);
    }
    if (!m.contains("content")) continue;
    const Json& content = m["content"];
    if (!content.is_string() && !content.is_array() && !content.is_null()) {
      fail(ErrorCode::kRequest, "messages[{}].content: expected a string, an array of parts or null, found {}", i,
           content.type_name());
    }
  }
}

// The texts of a content in parts.
std::string joined(const Json& parts, size_t message) {
  std::string text;
  for (const Json& part : parts) {
    if (!part.is_object() || part.value("type", Json()) != "text" || !part.contains("text") ||
        !part["text"].is_string()) {
      fail(ErrorCode::kRequest, "messages[{}].content: expected parts of type text", message);
    }
    text += part["text"].get<std::string>();
  }
  return text;
}

void read_arguments(Json& message) {
  if (!message.contains("tool_calls") || !message["tool_calls"].is_array()) return;
  for (Json& call : message["tool_calls"]) {
    if (!call.is_object() || !call.contains("function") || !call["function"].is_object()) continue;
    Json& function = call["function"];
    if (!function.contains("arguments") || !function["arguments"].is_string()) continue;
    Json arguments = parse_chat_json(function["arguments"].get_ref<const std::string&>());
    if (arguments.is_object()) function["arguments"] = std::move(arguments);
  }
}

}  // namespace

Json parse_chat_json(std::string_view text) {
  try {
    return jinja::parse_json(text);
  } catch (const jinja::Raised&) {
    return Json(Json::value_t::discarded);
  }
}

ChatTemplate::ChatTemplate(std::string_view source, std::string bos, std::string eos)
    : template_(source.empty() ? kChatMl : source), bos_(std::move(bos)), eos_(std::move(eos)) {
  reads_parts_ = reads_parts();
}

// Whether a content in parts comes out as its text.
bool ChatTemplate::reads_parts() const {
  const Json part = {{"type", "text"}, {"text", "Sesame"}};
  try {
    const std::string text = run(Json::array({{{"role", "user"}, {"content", Json::array({part})}}}), {});
    return text.find("Sesame") != std::string::npos && text.find("'text'") == std::string::npos &&
           text.find("\"text\"") == std::string::npos;
  } catch (const Error&) {
    return false;
  }
}

std::string ChatTemplate::run(const Json& messages, const ChatOptions& options) const {
  Json names = options.variables;
  names["messages"] = messages;
  if (!options.tools.is_null()) names["tools"] = options.tools;
  names["add_generation_prompt"] = options.add_generation_prompt;
  names["bos_token"] = bos_;
  names["eos_token"] = eos_;
  return template_.render(names);
}

std::string ChatTemplate::render(const Json& messages, const ChatOptions& options) const {
  check_messages(messages);
  if (!options.tools.is_null() && !options.tools.is_array()) fail(ErrorCode::kRequest, "tools: expected an array");
  if (!options.variables.is_object()) {
    fail(ErrorCode::kRequest, "chat_template_kwargs: expected an object, found {}", options.variables.type_name());
  }
  Json read = messages;
  for (size_t i = 0; i < read.size(); i++) {
    read_arguments(read[i]);
    if (!reads_parts_ && read[i].contains("content") && read[i]["content"].is_array()) {
      read[i]["content"] = joined(read[i]["content"], i);
    }
  }
  return run(read, options);
}

}  // namespace nextn
