// What a reply consists of, in the order in which a model writes it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nextn {

struct ReplyEvent {
  enum class Kind { kReasoning, kContent, kToolBegin, kToolArguments, kToolEnd };

  Kind kind;
  int tool = -1;     // which call, from 0
  std::string text;  // a piece of reasoning, content or arguments (JSON); of kToolBegin the function's name
  std::string id;    // of kToolBegin
  bool whole =
      true;  // of kToolEnd: the arguments are a JSON object. Not where the text ended in them, or they are none.
};

// "call_" and 24 letters and digits.
std::string random_call_id();

// Collects events; neighbours that say the same kind of thing become one. A call begins after the one before has ended.
class ReplyEvents {
 public:
  explicit ReplyEvents(std::function<std::string()> next_id) : next_id_(std::move(next_id)) {}

  void reasoning(std::string_view text) { add(ReplyEvent::Kind::kReasoning, -1, text); }
  void content(std::string_view text) { add(ReplyEvent::Kind::kContent, -1, text); }
  void begin_call(std::string name);
  void arguments(std::string_view text) { add(ReplyEvent::Kind::kToolArguments, n_calls_ - 1, text); }
  void end_call(bool whole);

  int n_calls() const noexcept { return n_calls_; }
  bool after_call() const noexcept { return after_call_; }  // the last event was the end of a call
  std::vector<ReplyEvent> take() { return std::exchange(events_, {}); }

 private:
  void add(ReplyEvent::Kind kind, int tool, std::string_view text);

  std::function<std::string()> next_id_;
  std::vector<ReplyEvent> events_;
  int n_calls_ = 0;
  bool after_call_ = false;
};

}  // namespace nextn
