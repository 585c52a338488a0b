#include "text/chat/reply_events.h"

#include <cstdint>
#include <random>
#include <utility>

namespace nextn {

std::string random_call_id() {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz234567";
  std::random_device device;  // 32 bits a draw, and slow: six letters of each
  std::string id = "call_";
  for (int draw = 0; draw < 4; draw++) {
    uint32_t bits = device();
    for (int i = 0; i < 6; i++, bits >>= 5) id += kLetters[bits % kLetters.size()];
  }
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
