#include "grammar/text_cursor.h"

#include <algorithm>

#include "base/error.h"
#include "grammar/builder.h"
#include "grammar/code_points.h"

namespace nextn::grammar {

std::string described(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte >= 0x7F ? fmt::format("byte 0x{:02x}", byte) : fmt::format("'{}'", c);
}

std::string shown(std::string_view name) {
  constexpr size_t kMaxShown = 60;
  std::string text;
  for (char c : name.substr(0, kMaxShown)) {
    const auto byte = static_cast<unsigned char>(c);
    text += byte < 0x20 || byte == 0x7F ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return name.size() > kMaxShown ? text + "..." : text;
}

bool TextCursor::skip(char c) {
  if (at_end() || text_[at_] != c) return false;
  at_++;
  return true;
}

bool TextCursor::skip(std::string_view s) {
  if (!text_.substr(std::min(at_, text_.size())).starts_with(s)) return false;
  at_ += s.size();
  return true;
}

int TextCursor::line() const {
  if (counted_ > at_) {
    counted_ = 0;
    n_lines_ = 0;
  }
  n_lines_ += static_cast<int>(std::ranges::count(text_.substr(counted_, at_ - counted_), '\n'));
  counted_ = at_;
  return 1 + n_lines_;
}

char32_t TextCursor::code_point() {
  if (at_end()) unexpected("a character");
  const auto c = next_code_point(text_, at_);
  if (!c) error(fmt::format("expected UTF-8, found {}", described(peek())));
  return *c;
}

char32_t TextCursor::hex(int n_digits) {
  uint64_t value = 0;
  for (int i = 0; i < n_digits; i++) {
    const char c = peek();
    const bool is_digit = c >= '0' && c <= '9', is_lower = c >= 'a' && c <= 'f', is_upper = c >= 'A' && c <= 'F';
    if (!is_digit && !is_lower && !is_upper) unexpected(fmt::format("{} hexadecimal digits", n_digits));
    value = value * 16 + static_cast<uint64_t>(c - (is_digit ? '0' : is_lower ? 'a' - 10 : 'A' - 10));
    at_++;
  }
  if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
    error(fmt::format("expected a Unicode character, found {:x}", value));
  return static_cast<char32_t>(value);
}

int TextCursor::number(int limit) {
  if (peek() < '0' || peek() > '9') unexpected("a number");
  int value = 0;
  while (peek() >= '0' && peek() <= '9') {
    value = value * 10 + (take() - '0');
    if (value > limit) error(fmt::format("expected at most {} repetitions, found more", limit));
  }
  return value;
}

std::pair<int, int> TextCursor::bounds(int limit) {
  const auto spaces = [this] {
    while (skip(' ')) {
    }
  };
  spaces();
  const int min = peek() == ',' ? 0 : number(limit);
  int max = min;
  spaces();
  if (skip(',')) {
    spaces();
    max = peek() == '}' ? kUnbounded : number(limit);
  }
  spaces();
  if (!skip('}')) unexpected("'}'");
  if (max != kUnbounded && max < min) error(fmt::format("expected bounds that ascend, found {} and {}", min, max));
  return {min, max};
}

void TextCursor::unexpected(std::string_view expected) const {
  error(fmt::format("expected {}, found {}", expected, at_end() ? "the end" : described(peek())));
}

void TextCursor::error(std::string_view message) const {
  if (place_ == Place::kLine) fail(ErrorCode::kRequest, "{}: line {}: {}", what_, line(), message);
  fail(ErrorCode::kRequest, "{}: character {}: {}", what_, at_ + 1, message);
}

}  // namespace nextn::grammar
