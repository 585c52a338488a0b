// Splits what a model writes into reasoning, content and tool calls, as OpenAI's chat API has them, while it is
// written. The pieces of each kind, put together, do not depend on where the text was cut. The ways in which calls are
// written, and what becomes of broken ones: call_reader.h.
//
// - Reasoning stands between <think> and </think> at the very beginning, or up to </think> where the prompt has opened
//   it; never closed, it is everything. Elsewhere these markers are content. Newlines before reasoning, blank space
//   after it and newlines before the content that follows are dropped.
// - Blank space before a call, after one at the end and between two is dropped; else content is word for word. So blank
//   space is held back until more is known, and so is what may be the beginning of a marker.
// - A </tool_call> that follows a call belongs to it, even with text between; so does the beginning of one at the end.
// - A call that the text's end cuts off in its arguments is not whole: they stay as far as they were written, and are
//   no JSON. A client must not take half a command for a whole one.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "text/chat/call_reader.h"
#include "text/chat/marker_matcher.h"
#include "text/chat/parameter_types.h"
#include "text/chat/reply_events.h"

namespace nextn {

struct ReplyFormat {
  bool starts_in_reasoning = false;  // the prompt ends inside an open <think>
  bool splits_reasoning = true;      // else think blocks are content, word for word; calls may follow them
  bool parse_tools = false;          // else calls are content, word for word
  // In OpenAI's form, for the types of parameters. A call of another function is a call all the same.
  nlohmann::ordered_json tools = nullptr;
};

class ReplyParser {
 public:
  explicit ReplyParser(const ReplyFormat& format, std::function<std::string()> next_id = random_call_id);
  ReplyParser(const ReplyParser&) = delete;  // a reader refers to it
  ReplyParser& operator=(const ReplyParser&) = delete;

  // Takes more text, of whole UTF-8 characters. Never throws for what a model wrote.
  std::vector<ReplyEvent> push(std::string_view text);

  // The text has ended. To be called once, last.
  std::vector<ReplyEvent> finish();

  int n_tools() const noexcept { return events_.n_calls(); }

 private:
  enum class State {
    kStart,      // nothing but blank space yet
    kReasoning,  // <think>, or the prompt, has begun it
    kContent,
    kCallBegins,  // after <tool_call>
    kCall,        // it is read
  };

  void take(char c);
  void in_reasoning(char c);
  void in_content(char c);
  void call_begins(char c);
  void in_call(char c);
  void give_content(char c);
  void give_reasoning(char c);
  void unread(std::string_view text);
  void enter(State state);
  void begin_call(std::unique_ptr<CallReader> reader);

  const bool splits_reasoning_, parse_tools_;
  const ParameterTypes types_;
  ReplyEvents events_;
  State state_;
  std::vector<std::string_view> markers_;  // of the state
  MarkerMatcher matcher_;
  std::string blank_;     // held back
  bool leading_ = false;  // no reasoning, or no content after it, has come yet: newlines are dropped
  bool end_due_ = false;  // a </tool_call> would belong to a call
  std::string opening_;   // of a call that is about to begin
  std::unique_ptr<CallReader> reader_;
  int n_calls_before_ = 0;  // before the reader's
  std::string again_;       // to be read again, last character first
};

// Whether a rendered prompt ends inside a <think> that it has just opened.
bool ends_in_reasoning(std::string_view prompt);

}  // namespace nextn
