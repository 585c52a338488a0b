// How a model was taught to write tool calls: the text around what a call says, for whoever makes it write one. The
// ways are those of call_reader.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/chat/chat_template.h"

namespace nextn {

// A call is begin NAME after_name ARGUMENTS end. Arguments are a JSON object, and NAME a JSON string; or, one after
// another, before_key KEY after_key VALUE after_value, where VALUE is bare text (bare_value.h).
struct CallLayout {
  std::string_view begin = {}, after_name = {}, before_key = {}, after_key = {}, after_value = {}, end = {};
  std::vector<std::string> not_in_key = {}, not_in_value = {};  // what readers would take for an end
  std::string between = {};                                     // two calls
  std::string after_reasoning = {};                             // and before the first call

  bool has_json_arguments() const noexcept { return before_key.empty(); }
};

// As the template writes calls. Hermes' where it writes none, or none that ReplyParser reads.
CallLayout call_layout_of(const ChatTemplate& chat_template);

}  // namespace nextn
