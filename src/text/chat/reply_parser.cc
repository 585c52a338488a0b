#include "text/chat/reply_parser.h"

#include <array>
#include <utility>

#include "text/chat/blank.h"

namespace nextn {

namespace {

constexpr std::string_view kThink = "<think>", kEndThink = "</think>";
constexpr std::string_view kCall = "<tool_call>", kEndCall = "</tool_call>", kFunction = "<function=";
constexpr std::array<std::string_view, 1> kAfterCall = {kFunction};

}  // namespace

ReplyParser::ReplyParser(const ReplyFormat& format, std::function<std::string()> next_id)
    : splits_reasoning_(format.splits_reasoning),
      parse_tools_(format.parse_tools),
      types_(format.tools),
      events_(std::move(next_id)) {
  leading_ = format.starts_in_reasoning;
  enter(format.starts_in_reasoning ? State::kReasoning : State::kStart);
}

std::vector<ReplyEvent> ReplyParser::push(std::string_view text) {
  if (!splits_reasoning_ && !parse_tools_) {
    events_.content(text);
    return events_.take();
  }
  for (const char c : text) {
    take(c);
    while (!again_.empty()) {
      const char next = again_.back();
      again_.pop_back();
      take(next);
    }
  }
  return events_.take();
}

void ReplyParser::unread(std::string_view text) {
  again_.append(text.rbegin(), text.rend());
}

// The state, and the markers that are looked for in it.
void ReplyParser::enter(State state) {
  state_ = state;
  markers_.clear();
  if (state == State::kReasoning) {
    markers_.push_back(kEndThink);
    if (leading_) markers_.push_back(kThink);  // models write it although the prompt did
    return;
  }
  if (state == State::kStart) markers_.push_back(kThink);
  if (!parse_tools_) return;
  markers_.insert(markers_.end(), {kCall, kFunction});
  if (end_due_) markers_.push_back(kEndCall);
}

void ReplyParser::take(char c) {
  switch (state_) {
    case State::kReasoning:
      return in_reasoning(c);
    case State::kStart:
    case State::kContent:
      return in_content(c);
    case State::kCallBegins:
      return call_begins(c);
    case State::kCall:
      return in_call(c);
  }
}

void ReplyParser::in_reasoning(char c) {
  std::string text;
  const std::string_view marker = matcher_.take(c, markers_, text);
  for (const char given : text) give_reasoning(given);
  if (!splits_reasoning_) events_.content(marker);
  if (marker != kEndThink) return;
  blank_.clear();
  leading_ = splits_reasoning_;
  enter(State::kContent);
}

void ReplyParser::give_reasoning(char c) {
  if (leading_ && (!splits_reasoning_ || (c != '\n' && c != '\r'))) {
    leading_ = false;
    enter(State::kReasoning);
  }
  if (!splits_reasoning_) {
    events_.content({&c, 1});
  } else if (!leading_) {
    blank_ += c;
    if (!is_blank(c)) events_.reasoning(std::exchange(blank_, {}));
  }
}

void ReplyParser::in_content(char c) {
  std::string text;
  const std::string_view marker = matcher_.take(c, markers_, text);
  for (const char given : text) give_content(given);
  if (marker == kThink) {
    if (!splits_reasoning_) events_.content(blank_ + std::string(marker));
    blank_.clear();
    leading_ = true;
    enter(State::kReasoning);
  } else if (marker == kCall) {
    opening_ = std::exchange(blank_, {}) + std::string(marker);
    enter(State::kCallBegins);
  } else if (marker == kFunction) {
    begin_call(read_xml_call(std::exchange(blank_, {}) + std::string(marker), types_, events_));
  } else if (marker == kEndCall) {
    blank_.clear();
    end_due_ = false;
    enter(State::kContent);
  }
}

void ReplyParser::give_content(char c) {
  if (leading_ && (c == '\n' || c == '\r')) return;
  leading_ = false;
  if (is_blank(c) && (parse_tools_ || state_ == State::kStart)) {
    blank_ += c;
    return;
  }
  if (state_ == State::kStart) enter(State::kContent);
  blank_ += c;
  events_.content(std::exchange(blank_, {}));
}

void ReplyParser::call_begins(char c) {
  leading_ = false;
  if (matcher_.held().empty()) {
    if (is_blank(c)) {
      opening_ += c;
      return;
    }
    if (c == '{') {
      begin_call(read_hermes_call(std::exchange(opening_, {}), events_));
      return in_call(c);
    }
    if (is_in_function_name(c)) {
      begin_call(read_glm_call(std::exchange(opening_, {}), types_, events_));
      return in_call(c);
    }
  }
  std::string text;
  const std::string_view marker = matcher_.take(c, kAfterCall, text);
  if (!marker.empty()) {
    begin_call(read_xml_call(std::exchange(opening_, {}) + std::string(marker), types_, events_));
  } else if (!text.empty()) {
    events_.content(std::exchange(opening_, {}));
    end_due_ = false;
    enter(State::kContent);
    unread(text + matcher_.release());
  }
}

void ReplyParser::begin_call(std::unique_ptr<CallReader> reader) {
  reader_ = std::move(reader);
  n_calls_before_ = events_.n_calls();
  leading_ = false;
  enter(State::kCall);
}

void ReplyParser::in_call(char c) {
  if (reader_->take(c)) return;
  unread(reader_->rest());
  reader_.reset();
  end_due_ = events_.n_calls() > n_calls_before_;
  enter(State::kContent);
}

std::vector<ReplyEvent> ReplyParser::finish() {
  const std::string held = matcher_.release();
  switch (state_) {
    case State::kReasoning:
      if (splits_reasoning_ && !held.empty()) events_.reasoning(blank_ + held);
      if (!splits_reasoning_) events_.content(held);
      break;
    case State::kStart:
    case State::kContent:
      if (end_due_ && held.size() > 1 && kEndCall.starts_with(held)) break;
      if (!held.empty() || !events_.after_call()) events_.content(blank_ + held);
      break;
    case State::kCallBegins:
      events_.content(opening_ + held);
      break;
    case State::kCall:
      reader_->finish();
      break;
  }
  return events_.take();
}

bool ends_in_reasoning(std::string_view prompt) {
  const size_t last = prompt.find_last_not_of(kBlank);
  return last != std::string_view::npos && prompt.substr(0, last + 1).ends_with(kThink);
}

}  // namespace nextn
