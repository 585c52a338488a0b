// libFuzzer: whatever a model writes, a reply's events do not depend on where it was cut, calls that are called whole
// have a JSON object for arguments, and JsonScanner says of any text what nlohmann::json says.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "text/chat/json_scanner.h"
#include "text/chat/reply_parser.h"

namespace {

using Json = nlohmann::ordered_json;

void expect(bool condition) {
  if (!condition) __builtin_trap();
}

// Numbers that a double does not hold are JSON all the same: these are left alone.
struct Acceptor : nlohmann::json_sax<Json> {
  bool overflow = false;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception& e) override {
    overflow = e.id == 406;
    return false;
  }
};

void check_scanner(std::string_view text) {
  nextn::JsonScanner scanner;
  size_t depth = 0;
  bool taken = true;
  for (const char c : text) {
    taken = taken && scanner.take(c);
    depth = std::max(depth, scanner.depth());
  }
  if (depth == nextn::JsonScanner::kMaxDepth) return;
  Acceptor acceptor;
  const bool accepted = Json::sax_parse(text, &acceptor);
  expect(acceptor.overflow || accepted == (taken && scanner.whole()));
}

// The events as one text.
std::string parsed(const nextn::ReplyFormat& format, std::string_view text, size_t step) {
  using Kind = nextn::ReplyEvent::Kind;
  nextn::ReplyParser parser(format, [] { return std::string("call"); });
  std::string out, arguments;
  Kind last = Kind::kToolEnd;
  const auto add = [&](const std::vector<nextn::ReplyEvent>& events) {
    for (const auto& e : events) {
      if (e.kind != last) out += static_cast<char>(1 + static_cast<int>(e.kind));
      out += e.text;
      last = e.kind;
      if (e.kind == Kind::kToolBegin) arguments.clear();
      if (e.kind == Kind::kToolArguments) arguments += e.text;
      if (e.kind != Kind::kToolEnd) continue;
      out += e.whole ? ')' : '!';
      Acceptor acceptor;
      const bool object =
          Json::sax_parse(arguments, &acceptor) && arguments[arguments.find_first_not_of(" \t\r\n")] == '{';
      const bool deep = arguments.size() > nextn::JsonScanner::kMaxDepth;  // may be
      expect(acceptor.overflow || object == e.whole || (object && deep));
    }
  };
  for (size_t i = 0; i < text.size(); i += step) add(parser.push(text.substr(i, step)));
  add(parser.finish());
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto tools = Json::parse(R"([{"function": {"name": "f", "parameters": {"properties": {
      "s": {"type": "string"}, "i": {"type": "integer"}, "b": {"type": "boolean"}, "u": {"type": ["string", "null"]}}}}}])");
  if (size < 2) return 0;
  const nextn::ReplyFormat format{.starts_in_reasoning = (data[0] & 1) != 0,
                                  .splits_reasoning = (data[0] & 2) != 0,
                                  .parse_tools = (data[0] & 4) != 0,
                                  .tools = tools};
  std::string text;
  for (size_t i = 2; i < size; i++) {
    const char c = static_cast<char>(data[i] & 0x7f);  // whole characters
    text += c == 0 ? ' ' : c;                          // nlohmann::json takes a zero for the end
  }
  check_scanner(text);
  const std::string whole = parsed(format, text, text.size() + 1);
  expect(whole == parsed(format, text, 1));
  expect(whole == parsed(format, text, 1 + data[1] % 32));
  if (!format.splits_reasoning && !format.parse_tools) expect(text.empty() ? whole.empty() : whole.substr(1) == text);
  return 0;
}
