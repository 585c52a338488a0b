#include "text/chat/json_scanner.h"

#include <algorithm>

#include "text/chat/blank.h"

namespace nextn {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

bool JsonScanner::to(State state) {
  state_ = state;
  return true;
}

bool JsonScanner::take(char c) {
  switch (state_) {
    case State::kValue:
      return is_blank(c) || begin_value(c);
    case State::kFirstItem:
      return is_blank(c) || (c == ']' ? close('[') : begin_value(c));
    case State::kFirstKey:
      return is_blank(c) || (c == '}' ? close('{') : c == '"' && begin_string(true));
    case State::kKey:
      return is_blank(c) || (c == '"' && begin_string(true));
    case State::kColon:
      return is_blank(c) || (c == ':' && to(State::kValue));
    case State::kAfter:
      return after(c);
    case State::kString:
    case State::kEscape:
    case State::kHex:
    case State::kLowEscape:
      return in_string(c);
    case State::kLiteral:
      if (c != literal_.front()) return false;
      literal_.remove_prefix(1);
      return !literal_.empty() || to(State::kAfter);
    default:
      return in_number(c);
  }
}

bool JsonScanner::whole() const noexcept {
  return open_.empty() && (state_ == State::kAfter || number_may_end());
}

bool JsonScanner::number_may_end() const noexcept {
  return state_ == State::kZero || state_ == State::kDigits || state_ == State::kFraction ||
         state_ == State::kExponentDigits;
}

bool JsonScanner::begin_value(char c) {
  switch (c) {
    case '{':
      return open(c, State::kFirstKey);
    case '[':
      return open(c, State::kFirstItem);
    case '"':
      return begin_string(false);
    case 't':
      literal_ = "rue";
      return to(State::kLiteral);
    case 'f':
      literal_ = "alse";
      return to(State::kLiteral);
    case 'n':
      literal_ = "ull";
      return to(State::kLiteral);
    case '-':
      return to(State::kMinus);
    default:
      return is_digit(c) && to(c == '0' ? State::kZero : State::kDigits);
  }
}

bool JsonScanner::begin_string(bool key) {
  key_ = key;
  return to(State::kString);
}

bool JsonScanner::open(char bracket, State first) {
  if (open_.size() >= kMaxDepth) return false;
  open_ += bracket;
  return to(first);
}

bool JsonScanner::close(char bracket) {
  if (open_.empty() || open_.back() != bracket) return false;
  open_.pop_back();
  return to(State::kAfter);
}

bool JsonScanner::after(char c) {
  if (is_blank(c)) return to(State::kAfter);
  if (c == '}') return close('{');
  if (c == ']') return close('[');
  if (c != ',' || open_.empty()) return false;
  return to(open_.back() == '{' ? State::kKey : State::kValue);
}

bool JsonScanner::in_string(char c) {
  switch (state_) {
    case State::kString:
      if (low_half_due_) return c == '\\' && to(State::kLowEscape);
      if (c == '"') return to(key_ ? State::kColon : State::kAfter);
      if (c == '\\') return to(State::kEscape);
      return static_cast<unsigned char>(c) >= 0x20;
    case State::kHex:
      return hex_digit(c);
    default:
      if (c == 'u') {
        n_hex_ = 0;
        code_ = 0;
        return to(State::kHex);
      }
      return state_ == State::kEscape && std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos &&
             to(State::kString);
  }
}

bool JsonScanner::hex_digit(char c) {
  const char lower = static_cast<char>(c | 0x20);
  const bool letter = lower >= 'a' && lower <= 'f';
  if (!is_digit(c) && !letter) return false;
  const uint32_t code = code_ * 16 + static_cast<uint32_t>(letter ? lower - 'a' + 10 : c - '0');
  if (n_hex_ == 3) {
    const bool low = code >= 0xdc00 && code < 0xe000;
    if (low != low_half_due_) return false;
    low_half_due_ = code >= 0xd800 && code < 0xdc00;
    state_ = State::kString;
  }
  code_ = code;
  n_hex_++;
  return true;
}

bool JsonScanner::in_number(char c) {
  const bool e = c == 'e' || c == 'E';
  switch (state_) {
    case State::kMinus:
      return is_digit(c) && to(c == '0' ? State::kZero : State::kDigits);
    case State::kDigits:
      if (is_digit(c)) return true;
      [[fallthrough]];
    case State::kZero:
      if (c == '.') return to(State::kPoint);
      if (e) return to(State::kExponent);
      break;
    case State::kPoint:
      return is_digit(c) && to(State::kFraction);
    case State::kFraction:
      if (is_digit(c)) return true;
      if (e) return to(State::kExponent);
      break;
    case State::kExponent:
      if (c == '+' || c == '-') return to(State::kExponentSign);
      [[fallthrough]];
    case State::kExponentSign:
      return is_digit(c) && to(State::kExponentDigits);
    default:
      if (is_digit(c)) return true;
  }
  return after(c);
}

bool is_json(std::string_view text) {
  JsonScanner scanner;
  return std::ranges::all_of(text, [&](char c) { return scanner.take(c); }) && scanner.whole();
}

}  // namespace nextn
