#include "text/chat/call_layout.h"

#include "base/error.h"
#include "text/chat/blank.h"

namespace nextn {

namespace {

using Json = nlohmann::ordered_json;

// What the template writes for a reply with a thought and two calls; empty where it refuses.
std::string written_by(const ChatTemplate& chat_template) {
  const Json call = {{"type", "function"}, {"function", {{"name", "open"}, {"arguments", {{"door", "sesame"}}}}}};
  const Json messages = {{{"role", "user"}, {"content", "Open it."}},
                         {{"role", "assistant"},
                          {"content", ""},
                          {"reasoning_content", "How?"},
                          {"tool_calls", Json::array({call, call})}}};
  try {
    return chat_template.render(messages, {.add_generation_prompt = false});
  } catch (const Error&) {
    return {};
  }
}

// The blank space between the first `from` and the next `to`; nothing where something else stands there.
std::string blank_between(std::string_view text, std::string_view from, std::string_view to) {
  const size_t found = text.find(from);
  if (found == text.npos) return {};
  const size_t begin = found + from.size(), end = text.find(to, begin);
  if (end == text.npos || !is_blank(text.substr(begin, end - begin))) return {};
  return std::string(text.substr(begin, end - begin));
}

CallLayout layout_in(std::string_view text) {
  const auto has = [&](std::string_view part) { return text.find(part) != text.npos; };
  if (has("<tool_call>\n<function=open>")) {
    return {.begin = "<tool_call>\n<function=",
            .after_name = ">\n",
            .before_key = "<parameter=",
            .after_key = ">\n",
            .after_value = "\n</parameter>\n",
            .end = "</function>\n</tool_call>",
            .not_in_key = {"<", ">", "\n"},
            .not_in_value = {"</parameter>", "</tool_call>"}};
  }
  if (has("<tool_call>open\n<arg_key>")) {
    return {.begin = "<tool_call>",
            .after_name = "\n",
            .before_key = "<arg_key>",
            .after_key = "</arg_key>\n<arg_value>",
            .after_value = "</arg_value>\n",
            .end = "</tool_call>",
            .not_in_key = {"</arg_key>"},
            .not_in_value = {"</arg_value>"}};
  }
  if (has("<tool_call>open<arg_key>")) {
    return {.begin = "<tool_call>",
            .before_key = "<arg_key>",
            .after_key = "</arg_key><arg_value>",
            .after_value = "</arg_value>",
            .end = "</tool_call>",
            .not_in_key = {"</arg_key>"},
            .not_in_value = {"</arg_value>"}};
  }
  return {.begin = "<tool_call>\n{\"name\": ", .after_name = ", \"arguments\": ", .end = "}\n</tool_call>"};
}

}  // namespace

CallLayout call_layout_of(const ChatTemplate& chat_template) {
  const std::string text = written_by(chat_template);
  CallLayout layout = layout_in(text);
  const bool has_calls = text.find("</tool_call>") != text.npos;
  layout.between = has_calls ? blank_between(text, "</tool_call>", "<tool_call>") : std::string(1, '\n');
  layout.after_reasoning = blank_between(text, "</think>", "<tool_call>");
  return layout;
}

}  // namespace nextn
