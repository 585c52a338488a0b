#include <array>
#include <utility>

#include "text/chat/arguments_writer.h"
#include "text/chat/blank.h"
#include "text/chat/call_reader.h"
#include "text/chat/marker_matcher.h"

namespace nextn {

namespace {

constexpr std::string_view kParameter = "<parameter=", kEndFunction = "</function>", kEndCall = "</tool_call>";
constexpr std::array<std::string_view, 5> kInFunction = {kParameter, kEndFunction, kEndCall, "<tool_call>",
                                                         "<function="};
constexpr std::array<std::string_view, 4> kEndsOfValue = {"\n</parameter>", "</parameter>",
                                                          "\n</function>\n</tool_call>", "</function>\n</tool_call>"};

class XmlCall : public CallReader {
 public:
  XmlCall(std::string so_far, const ParameterTypes& types, ReplyEvents& events)
      : events_(events), writer_(types, events), unsent_(std::move(so_far)) {}

  bool take(char c) override;
  void finish() override;

 private:
  enum class State { kName, kFunction, kKey, kValueBegins, kValue };

  bool in_name(char c);
  bool in_function(char c);
  bool in_key(char c);
  bool in_value(char c);
  bool end_before(std::string rest);

  ReplyEvents& events_;
  ArgumentsWriter writer_;
  State state_ = State::kName;
  std::string unsent_;  // the whole text before the call began
  std::string name_;
  std::string key_;
  MarkerMatcher markers_;
};

bool XmlCall::take(char c) {
  switch (state_) {
    case State::kName:
      return in_name(c);
    case State::kFunction:
      return in_function(c);
    case State::kKey:
      return in_key(c);
    case State::kValueBegins:
      state_ = State::kValue;
      return c == '\n' || in_value(c);
    case State::kValue:
      return in_value(c);
  }
  return false;
}

bool XmlCall::in_name(char c) {
  if (c == '>' && !name_.empty()) {
    state_ = State::kFunction;
  } else if (is_in_function_name(c) && name_.size() < kMaxFunctionName) {
    name_ += c;
  } else {
    return end_before(std::string(1, c));
  }
  unsent_ += c;
  return true;
}

bool XmlCall::in_function(char c) {
  std::string text;
  const std::string_view marker = markers_.take(c, kInFunction, text);
  if (!is_blank(text)) return end_before(text + markers_.release());
  if (!writer_.begun()) unsent_ += text;
  if (marker.empty()) return true;
  const bool ours = marker == kParameter || marker == kEndFunction || marker == kEndCall;
  if (ours && !writer_.begun()) writer_.begin(name_);
  if (marker == kParameter) {
    key_.clear();
    state_ = State::kKey;
    return true;
  }
  return end_before(marker == kEndFunction ? "" : std::string(marker));
}

bool XmlCall::in_key(char c) {
  if (c == '>' && !key_.empty()) {
    writer_.key(key_);
    state_ = State::kValueBegins;
    return true;
  }
  if (c != '>' && c != '<' && c != '\n') {
    key_ += c;
    return true;
  }
  writer_.end();
  events_.content(std::string(kParameter) + key_);
  return end(std::string(1, c));
}

bool XmlCall::in_value(char c) {
  std::string text;
  const std::string_view marker = markers_.take(c, kEndsOfValue, text);
  writer_.value(text);
  if (marker.empty()) return true;
  writer_.end_value();
  state_ = State::kFunction;
  return !marker.ends_with(kEndCall) || end_before(std::string(kEndCall));
}

// The call has ended before this text, or is none.
bool XmlCall::end_before(std::string rest) {
  if (writer_.begun()) {
    writer_.end();
  } else {
    events_.content(unsent_);
  }
  return end(std::move(rest));
}

void XmlCall::finish() {
  const std::string held = markers_.release();
  if (!writer_.begun()) {
    events_.content(unsent_ + held);
  } else if (state_ == State::kValue || state_ == State::kValueBegins) {
    writer_.value(held);
    writer_.cut();
  } else {
    writer_.cut();
    events_.content(state_ == State::kKey ? std::string(kParameter) + key_ : held);
  }
}

}  // namespace

std::unique_ptr<CallReader> read_xml_call(std::string so_far, const ParameterTypes& types, ReplyEvents& events) {
  return std::make_unique<XmlCall>(std::move(so_far), types, events);
}

}  // namespace nextn
