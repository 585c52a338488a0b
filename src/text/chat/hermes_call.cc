#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "text/chat/blank.h"
#include "text/chat/call_reader.h"
#include "text/chat/json_scanner.h"
#include "text/chat/marker_matcher.h"

namespace nextn {

namespace {

constexpr std::array<std::string_view, 2> kEnds = {"</tool_call>", "<tool_call>"};

// The text that a string of JSON says, quotes included in it.
std::optional<std::string> unquoted(const std::string& literal) {
  const auto json = nlohmann::json::parse(literal, nullptr, false);
  if (!json.is_string()) return std::nullopt;
  return json.get<std::string>();
}

class HermesCall : public CallReader {
 public:
  HermesCall(std::string so_far, ReplyEvents& events) : events_(events), unsent_(std::move(so_far)) {}

  bool take(char c) override;
  void finish() override;

 private:
  enum class Arguments { kUnsent, kStreaming, kSent, kBroken };
  enum class Part { kOther, kName, kArguments };

  bool broken_before(char c);
  bool take_broken(char c);
  void follow_key(char c);
  bool follow_value(char c);
  bool value_begins(char c);
  bool value_ended();
  void send();
  bool object_ended();
  bool is_content();
  void end_after_arguments();

  ReplyEvents& events_;
  JsonScanner json_;
  Arguments state_ = Arguments::kUnsent;
  std::string unsent_;  // the whole text before the call began, what follows the arguments later
  std::string key_;     // the outer object's, with its quotes, as far as it came
  Part part_ = Part::kOther;
  bool value_due_ = false;
  bool in_value_ = false;  // of name or arguments
  std::string value_;
  std::string name_;
  std::optional<std::string> arguments_;  // that came before the name, or were no object
  MarkerMatcher ends_;
};

bool HermesCall::take(char c) {
  if (state_ == Arguments::kBroken) return take_broken(c);
  const bool was_key = json_.in_key();
  if (!json_.take(c)) return broken_before(c);
  if (state_ == Arguments::kStreaming) {
    events_.arguments({&c, 1});
    if (json_.depth() == 1) state_ = Arguments::kSent;
    return true;
  }
  unsent_ += c;
  if (json_.depth() == 0) return object_ended();
  if (state_ == Arguments::kSent) return true;
  if (in_value_ || value_due_) return follow_value(c);
  if (json_.depth() == 1 && (was_key || json_.in_key())) follow_key(c);
  return true;
}

// c cannot be JSON.
bool HermesCall::broken_before(char c) {
  if (state_ == Arguments::kStreaming) {
    state_ = Arguments::kBroken;
    return take_broken(c);
  }
  if (state_ == Arguments::kSent) {
    end_after_arguments();
  } else {
    events_.content(unsent_);
  }
  return end(std::string(1, c));
}

bool HermesCall::take_broken(char c) {
  std::string text;
  const std::string_view marker = ends_.take(c, kEnds, text);
  events_.arguments(text);
  if (marker.empty()) return true;
  events_.end_call(false);
  return end(std::string(marker));
}

void HermesCall::follow_key(char c) {
  key_ += c;
  if (json_.in_key()) return;
  const auto key = unquoted(std::exchange(key_, {}));
  part_ = key == "name" ? Part::kName : key == "arguments" || key == "parameters" ? Part::kArguments : Part::kOther;
  value_due_ = true;
}

bool HermesCall::follow_value(char c) {
  if (value_due_) {
    if (c == ':' || is_blank(c)) return true;
    return value_begins(c);
  }
  value_ += c;
  return json_.depth() > 1 || !json_.after_value() || value_ended();
}

bool HermesCall::value_begins(char c) {
  value_due_ = false;
  if (part_ == Part::kOther) return true;
  if (part_ == Part::kName && c != '"') return is_content();
  if (part_ == Part::kArguments) {
    if (c != '{' && c != '"' && c != 'n') return is_content();
    if (c == '{' && !name_.empty()) {
      events_.begin_call(name_);
      events_.arguments("{");
      unsent_.clear();
      state_ = Arguments::kStreaming;
      return true;
    }
  }
  in_value_ = true;
  value_ = c;
  return true;
}

bool HermesCall::value_ended() {
  in_value_ = false;
  if (part_ == Part::kName) {
    name_ = unquoted(value_).value_or("");
    if (name_.empty()) return is_content();
  } else if (value_ == "null") {
    arguments_ = "{}";
  } else if (value_.front() == '{') {
    arguments_ = value_;
  } else {
    const auto text = unquoted(value_);
    if (!text) return is_content();
    const size_t brace = text->find_first_not_of(kBlank);
    if (brace != std::string::npos && ((*text)[brace] != '{' || !is_json(*text))) return is_content();
    arguments_ = brace == std::string::npos ? "{}" : *text;
  }
  if (arguments_ && !name_.empty()) send();
  return true;
}

// A call whose arguments are there.
void HermesCall::send() {
  events_.begin_call(name_);
  events_.arguments(*arguments_);
  unsent_.clear();
  state_ = Arguments::kSent;
}

bool HermesCall::object_ended() {
  if (state_ == Arguments::kUnsent) {
    if (name_.empty()) return is_content();
    arguments_ = "{}";
    send();
  }
  events_.end_call(true);
  return end();
}

bool HermesCall::is_content() {
  events_.content(unsent_);
  return end();
}

// The outer object broke, but the arguments are whole.
void HermesCall::end_after_arguments() {
  events_.end_call(true);
  if (!is_blank(unsent_)) events_.content(unsent_);
}

void HermesCall::finish() {
  switch (state_) {
    case Arguments::kUnsent:
      events_.content(unsent_);
      break;
    case Arguments::kStreaming:
    case Arguments::kBroken:
      events_.arguments(ends_.release());
      events_.end_call(false);
      break;
    case Arguments::kSent:
      end_after_arguments();
      break;
  }
}

}  // namespace

std::unique_ptr<CallReader> read_hermes_call(std::string so_far, ReplyEvents& events) {
  return std::make_unique<HermesCall>(std::move(so_far), events);
}

}  // namespace nextn
