// The message that a model answers with, put together from the events of its reply.
#pragma once

#include <string>
#include <vector>

#include "text/chat/reply_parser.h"

namespace nextn::api {

struct ToolCall {
  std::string id, name, arguments;  // arguments: JSON
  bool whole = false;
};

struct ChatMessage {
  std::string reasoning, content;
  std::vector<ToolCall> calls;

  void add(const ReplyEvent& event);
};

}  // namespace nextn::api
