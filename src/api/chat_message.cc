#include "api/chat_message.h"

namespace nextn::api {

void ChatMessage::add(const ReplyEvent& event) {
  switch (event.kind) {
    case ReplyEvent::Kind::kReasoning:
      reasoning += event.text;
      break;
    case ReplyEvent::Kind::kContent:
      content += event.text;
      break;
    case ReplyEvent::Kind::kToolBegin:
      calls.push_back({event.id, event.text, "", false});
      break;
    case ReplyEvent::Kind::kToolArguments:
      calls.back().arguments += event.text;
      break;
    case ReplyEvent::Kind::kToolEnd:
      calls.back().whole = event.whole;
      break;
  }
}

}  // namespace nextn::api
