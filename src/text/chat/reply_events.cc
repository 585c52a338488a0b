#include "text/chat/reply_events.h"

#include <random>
#include <utility>

namespace nextn {

std::string random_call_id() {
  constexpr std::string_view kLetters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::random_device device;
  std::uniform_int_distribution<size_t> letter(0, kLetters.size() - 1);
  std::string id = "call_";
  for (int i = 0; i < 24; i++) id += kLetters[letter(device)];
  return id;
}

void ReplyEvents::begin_call(std::string name) {
  after_call_ = false;
  events_.push_back(
      {.kind = ReplyEvent::Kind::kToolBegin, .tool = n_calls_++, .text = std::move(name), .id = next_id_()});
}

void ReplyEvents::end_call(bool whole) {
  after_call_ = true;
  events_.push_back({.kind = ReplyEvent::Kind::kToolEnd, .tool = n_calls_ - 1, .text = {}, .id = {}, .whole = whole});
}

void ReplyEvents::add(ReplyEvent::Kind kind, int tool, std::string_view text) {
  if (text.empty()) return;
  after_call_ = false;
  if (events_.empty() || events_.back().kind != kind) {
    events_.push_back({.kind = kind, .tool = tool, .text = {}, .id = {}});
  }
  events_.back().text += text;
}

}  // namespace nextn
