#include <array>
#include <utility>

#include "text/chat/arguments_writer.h"
#include "text/chat/blank.h"
#include "text/chat/call_reader.h"
#include "text/chat/marker_matcher.h"

namespace nextn {

namespace {

constexpr std::string_view kKey = "<arg_key>", kEndKey = "</arg_key>", kEndCall = "</tool_call>";
constexpr std::array<std::string_view, 3> kInCall = {kKey, kEndCall, "<tool_call>"};
constexpr std::array<std::string_view, 1> kInKey = {kEndKey};
constexpr std::array<std::string_view, 1> kAfterKey = {"<arg_value>"};
constexpr std::array<std::string_view, 1> kInValue = {"</arg_value>"};

class GlmCall : public CallReader {
 public:
  GlmCall(std::string so_far, const ParameterTypes& types, ReplyEvents& events)
      : events_(events), writer_(types, events), unsent_(std::move(so_far)) {}

  bool take(char c) override;
  void finish() override;

 private:
  enum class State { kName, kCall, kKey, kAfterKey, kValue };

  bool in_name(char c);
  bool in_call(char c);
  bool in_key(char c);
  bool after_key(char c);
  bool in_value(char c);
  bool end_before(std::string rest);
  std::string key_as_written() const;

  ReplyEvents& events_;
  ArgumentsWriter writer_;
  State state_ = State::kName;
  std::string unsent_;  // the whole text before the call began
  std::string name_;
  std::string key_;
  MarkerMatcher markers_;
};

bool GlmCall::take(char c) {
  switch (state_) {
    case State::kName:
      return in_name(c);
    case State::kCall:
      return in_call(c);
    case State::kKey:
      return in_key(c);
    case State::kAfterKey:
      return after_key(c);
    case State::kValue:
      return in_value(c);
  }
  return false;
}

bool GlmCall::in_name(char c) {
  if (!is_in_function_name(c)) {
    state_ = State::kCall;
    return in_call(c);
  }
  if (name_.size() == kMaxFunctionName) return end_before(std::string(1, c));
  name_ += c;
  unsent_ += c;
  return true;
}

bool GlmCall::in_call(char c) {
  std::string text;
  const std::string_view marker = markers_.take(c, kInCall, text);
  if (!is_blank(text)) return end_before(text + markers_.release());
  if (!writer_.begun()) unsent_ += text;
  if (marker.empty()) return true;
  if (!writer_.begun() && (marker == kKey || marker == kEndCall)) writer_.begin(name_);
  if (marker != kKey) return end_before(std::string(marker));
  key_.clear();
  state_ = State::kKey;
  return true;
}

bool GlmCall::in_key(char c) {
  if (!markers_.take(c, kInKey, key_).empty()) state_ = State::kAfterKey;
  return true;
}

bool GlmCall::after_key(char c) {
  std::string text;
  const std::string_view marker = markers_.take(c, kAfterKey, text);
  if (!is_blank(text)) {
    writer_.end();
    events_.content(key_as_written());
    return end(text + markers_.release());
  }
  if (marker.empty()) return true;
  writer_.key(key_);
  state_ = State::kValue;
  return true;
}

bool GlmCall::in_value(char c) {
  std::string text;
  const std::string_view marker = markers_.take(c, kInValue, text);
  writer_.value(text);
  if (marker.empty()) return true;
  writer_.end_value();
  state_ = State::kCall;
  return true;
}

// The call has ended before this text, or is none.
bool GlmCall::end_before(std::string rest) {
  if (writer_.begun()) {
    writer_.end();
  } else {
    events_.content(unsent_);
  }
  return end(std::move(rest));
}

std::string GlmCall::key_as_written() const {
  return std::string(kKey) + key_ + std::string(state_ == State::kKey ? "" : kEndKey);
}

void GlmCall::finish() {
  const std::string held = markers_.release();
  if (!writer_.begun()) {
    events_.content(unsent_ + held);
  } else if (state_ == State::kValue) {
    writer_.value(held);
    writer_.cut();
  } else {
    writer_.cut();
    events_.content(state_ == State::kCall ? held : key_as_written() + held);
  }
}

}  // namespace

std::unique_ptr<CallReader> read_glm_call(std::string so_far, const ParameterTypes& types, ReplyEvents& events) {
  return std::make_unique<GlmCall>(std::move(so_far), types, events);
}

}  // namespace nextn
