// For tests: what a reply parser makes of a text, however the text is cut, as one line.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "text/chat/chat_template.h"
#include "text/chat/reply_parser.h"

namespace nextn {

// The events of a text that comes in these pieces, as one line: think:.. content:.. NAME(arguments), with ! after a
// call that is not whole. Checks what holds for any text.
inline std::string parsed(const ReplyFormat& format, const std::vector<std::string_view>& pieces) {
  using Kind = ReplyEvent::Kind;
  int n_ids = 0;
  ReplyParser parser(format, [&] { return "call_" + std::to_string(n_ids++); });
  std::vector<ReplyEvent> events;
  const auto append = [&](std::vector<ReplyEvent> more) { events.insert(events.end(), more.begin(), more.end()); };
  for (const std::string_view piece : pieces) append(parser.push(piece));
  append(parser.finish());

  std::string out, arguments;
  int n_calls = 0;
  bool in_call = false;
  Kind last = Kind::kToolEnd;
  for (const ReplyEvent& e : events) {
    const bool of_call = e.kind == Kind::kToolArguments || e.kind == Kind::kToolEnd;
    EXPECT_EQ(in_call, of_call) << out;
    EXPECT_EQ(e.tool, e.kind == Kind::kToolBegin ? n_calls : of_call ? n_calls - 1 : -1) << out;
    EXPECT_EQ(e.text.empty(), e.kind == Kind::kToolEnd) << out;
    switch (e.kind) {
      case Kind::kReasoning:
      case Kind::kContent:
        if (e.kind != last) out += e.kind == Kind::kReasoning ? "think:" : "content:";
        out += e.text;
        break;
      case Kind::kToolBegin:
        EXPECT_EQ(e.id, "call_" + std::to_string(n_calls++));
        out += e.text + "(";
        in_call = true;
        arguments.clear();
        break;
      case Kind::kToolArguments:
        arguments += e.text;
        break;
      case Kind::kToolEnd:
        EXPECT_EQ(e.whole, parse_chat_json(arguments).is_object()) << arguments;
        out += arguments + (e.whole ? ")" : ")!");
        in_call = false;
        break;
    }
    last = e.kind;
  }
  EXPECT_FALSE(in_call);
  EXPECT_EQ(parser.n_tools(), n_calls);
  return out;
}

// Whole, cut at every byte, around every two bytes and into single bytes: always the same.
inline std::string parsed(const ReplyFormat& format, std::string_view text) {
  const std::string whole = parsed(format, std::vector{text});
  std::vector<std::string_view> bytes;
  for (size_t i = 0; i < text.size(); i++) {
    bytes.push_back(text.substr(i, 1));
    EXPECT_EQ(parsed(format, {text.substr(0, i), text.substr(i)}), whole) << "cut at " << i;
    EXPECT_EQ(parsed(format, {text.substr(0, i), text.substr(i, 2), text.substr(std::min(i + 2, text.size()))}), whole)
        << "cut at " << i;
  }
  EXPECT_EQ(parsed(format, bytes), whole) << "byte by byte";
  return whole;
}

}  // namespace nextn
