#include "text/jinja/lexer.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/jinja/strings.h"
#include "text/tokenizer/unicode.h"

namespace nextn::jinja {

namespace {

// Longest first.
constexpr std::string_view kOperators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
                                           "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// "\r\n" and "\r" are newlines, and the one at the end does not count.
std::string normalized(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); i++) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') i++;
    } else {
      out += source[i];
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalized(source)) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) text();
    add(TokenType::kEnd, {});
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void error(std::string message) const { throw SyntaxError{line_, std::move(message)}; }

  std::string_view rest() const { return std::string_view(source_).substr(at_); }
  bool next_is(std::string_view text) const { return rest().starts_with(text); }

  void advance(size_t n) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<ptrdiff_t>(at_),
                                         source_.begin() + static_cast<ptrdiff_t>(at_ + n), '\n'));
    at_ += n;
  }
  void skip_space() {
    if (at_ == source_.size() || (source_[at_] > ' ' && source_[at_] < 0x7f)) return;
    advance(rest().size() - strip(rest(), Side::kLeft).size());
  }

  void add(TokenType type, std::string text, Value number = {}) {
    tokens_.push_back({type, std::move(text), std::move(number), line_});
  }

  // The text up to the next tag, and the tag.
  void text() {
    size_t open = at_;
    for (;; open++) {
      open = source_.find('{', open);
      if (open == std::string::npos || open + 1 == source_.size()) {
        add(TokenType::kData, source_.substr(at_));
        return advance(source_.size() - at_);
      }
      const char kind = source_[open + 1];
      if (kind == '%' || kind == '{' || kind == '#') break;
    }
    const char kind = source_[open + 1];
    const size_t sign_at = open + 2;
    const char sign =
        sign_at < source_.size() && (source_[sign_at] == '-' || source_[sign_at] == '+') ? source_[sign_at] : 0;
    data(open, kind == '{' && sign == 0 ? '+' : sign);
    advance(sign == 0 ? 2 : 3);
    if (kind == '#') return comment();
    if (kind == '%' && raw()) return;
    add(kind == '{' ? TokenType::kOutputBegin : TokenType::kBlockBegin, {});
    tag(kind == '{');
  }

  // The text before a tag at `end`. '-' takes all white space off its end; otherwise, but for '+', white space between
  // the start of the tag's line and the tag goes.
  void data(size_t end, char sign) {
    std::string_view text = std::string_view(source_).substr(at_, end - at_);
    if (sign == '-') {
      text = strip(text, Side::kRight);
    } else if (sign != '+') {
      const size_t newline = text.rfind('\n');
      const size_t begin = newline == text.npos ? 0 : newline + 1;
      if ((begin > 0 || line_starting_) && strip(text.substr(begin), Side::kLeft).empty()) text = text.substr(0, begin);
    }
    if (!text.empty()) add(TokenType::kData, std::string(text));
    advance(end - at_);
  }

  void comment() {
    const size_t end = source_.find("#}", at_);
    if (end == std::string::npos) error("expected #} at the end of a comment, found the end of the template");
    const char sign = end > at_ ? source_[end - 1] : 0;
    advance(end - at_);
    close("#}", sign, true);
  }

  // Behind {% and its sign: a whole raw block, if it is one.
  bool raw() {
    const size_t begin = at_;
    const int line = line_;
    skip_space();
    const bool is_raw = next_is("raw");
    if (is_raw) advance(3);
    skip_space();
    if (!is_raw || !(next_is("%}") || next_is("-%}"))) {
      at_ = begin;
      line_ = line;
      return false;
    }
    const bool stripped = next_is("-");
    if (stripped) advance(1);
    close("%}", stripped ? '-' : 0, false);

    for (size_t open = at_; (open = source_.find("{%", open)) != std::string::npos; open += 2) {
      const char next = open + 2 < source_.size() ? source_[open + 2] : 0;
      const char sign = next == '-' || next == '+' ? next : 0;
      const size_t name_at = open + (sign == 0 ? 2 : 3);
      std::string_view tail = strip(std::string_view(source_).substr(name_at), Side::kLeft);
      if (!tail.starts_with("endraw")) continue;
      tail = strip(tail.substr(6), Side::kLeft);
      const char end_sign = tail.starts_with('-') || tail.starts_with('+') ? tail[0] : 0;
      if (!tail.substr(end_sign == 0 ? 0 : 1).starts_with("%}")) continue;
      data(open, sign);
      advance(source_.size() - tail.size() - at_ + (end_sign == 0 ? 0 : 1));
      close("%}", end_sign, true);
      return true;
    }
    error("expected {% endraw %}, found the end of the template");
  }

  // The end of a tag, and what goes with it: white space after '-', else one newline where blocks are trimmed.
  void close(std::string_view end, char sign, bool trim) {
    advance(end.size());
    line_starting_ = false;
    const size_t begin = at_;
    if (sign == '-') {
      skip_space();
    } else if (trim && sign != '+' && next_is("\n")) {
      advance(1);
    }
    if (at_ > begin) line_starting_ = source_[at_ - 1] == '\n';
  }

  // The tokens of a tag up to its end.
  void tag(bool output) {
    const std::string_view end = output ? "}}" : "%}";
    std::string open;  // the closing brackets that are waited for
    for (;;) {
      if (at_ == source_.size()) return;
      if (open.empty()) {
        const char sign = next_is("-") || (!output && next_is("+")) ? source_[at_] : 0;
        if (rest().substr(sign == 0 ? 0 : 1).starts_with(end)) {
          add(output ? TokenType::kOutputEnd : TokenType::kBlockEnd, {});
          if (sign != 0) advance(1);
          return close(end, sign, !output);
        }
      }
      const size_t before = at_;
      skip_space();
      if (at_ != before) continue;
      const char c = source_[at_];
      if (is_digit(c)) {
        number();
      } else if (c == '\'' || c == '"') {
        string();
      } else if (!name()) {
        operation(open);
      }
    }
  }

  // How long the character at the start of `text` is if it may be part of a name, else 0.
  static size_t name_character(std::string_view text) {
    const char c = text[0];
    if (static_cast<signed char>(c) >= 0)
      return c == '_' || is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    const std::string_view character = characters(text.substr(0, 4))[0];
    const CharClass kind = char_class(from_utf8(character)[0]);
    const bool is_part = kind == CharClass::kLetter || kind == CharClass::kMark || kind == CharClass::kNumber;
    return is_part ? character.size() : 0;
  }

  bool name() {
    std::string_view tail = rest();
    while (!tail.empty()) {
      const size_t n = name_character(tail);
      if (n == 0) break;
      tail.remove_prefix(n);
    }
    const size_t n = rest().size() - tail.size();
    if (n == 0) return false;
    add(TokenType::kName, source_.substr(at_, n));
    advance(n);
    return true;
  }

  void operation(std::string& open) {
    for (const std::string_view op : kOperators) {
      if (!next_is(op)) continue;
      const char c = op[0];
      if (c == '(' || c == '[' || c == '{') {
        open += c == '(' ? ')' : c == '[' ? ']' : '}';
      } else if (c == ')' || c == ']' || c == '}') {
        if (open.empty()) error(fmt::format("expected no '{}' without its opening bracket, found one", c));
        if (open.back() != c) error(fmt::format("expected '{}', found '{}'", open.back(), c));
        open.pop_back();
      }
      add(TokenType::kOperator, std::string(op));
      return advance(op.size());
    }
    error("expected an expression, found " + python_quoted(characters(rest().substr(0, 4))[0]));
  }

  // Digits of a base with single underscores between, from `at`; gives the place behind them.
  template <class IsDigit>
  size_t digits(size_t at, const IsDigit& is_one) const {
    while (at < source_.size() &&
           (is_one(source_[at]) || (source_[at] == '_' && at + 1 < source_.size() && is_one(source_[at + 1]))))
      at++;
    return at;
  }

  void number() {
    const auto fraction_digits = [&](size_t at) {
      return at < source_.size() && is_digit(source_[at]) ? digits(at, is_digit) : at;
    };
    // A number after a dot is the index of a list: "a.0.1" has no 0.1 in it.
    const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';
    const size_t whole = digits(at_, is_digit);
    size_t end = whole;
    if (!after_dot) {
      if (end < source_.size() && source_[end] == '.') {
        const size_t fraction = fraction_digits(end + 1);
        if (fraction > end + 1) end = fraction;
      }
      if (end < source_.size() && (source_[end] | 0x20) == 'e') {
        const size_t sign = end + 1 < source_.size() && (source_[end + 1] == '+' || source_[end + 1] == '-') ? 1 : 0;
        const size_t exponent = fraction_digits(end + 1 + sign);
        if (exponent > end + 1 + sign) end = exponent;
      }
    }
    if (end > whole) {
      std::string text = source_.substr(at_, end - at_);
      std::erase(text, '_');
      double value = 0;
      const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
      if (result.ec == std::errc::result_out_of_range)
        value = text.find("e-") == text.npos && text.find("E-") == text.npos ? HUGE_VAL : 0;
      add(TokenType::kNumber, text, Value(value));
      return advance(end - at_);
    }
    integer();
  }

  void integer() {
    const char kind = at_ + 1 < source_.size() ? static_cast<char>(source_[at_ + 1] | 0x20) : ' ';
    int base = source_[at_] != '0' ? 10 : kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 10;
    const auto value_of = [](char c) { return is_digit(c) ? c - '0' : (c | 0x20) >= 'a' ? (c | 0x20) - 'a' + 10 : 99; };
    const auto is_one = [&](char c) { return value_of(c) < base; };
    size_t end = base == 10 ? at_ : digits(at_ + 2, is_one);
    if (base != 10 && end == at_ + 2) base = 10, end = at_;
    size_t begin = base == 10 ? at_ : at_ + 2;
    // In Python's way: no number but zero begins with 0.
    if (base == 10) end = digits(at_, [&](char c) { return source_[at_] == '0' ? c == '0' : is_digit(c); });
    Integer value = 0;
    for (; begin < end; begin++) {
      if (source_[begin] == '_') continue;
      if (__builtin_mul_overflow(value, Integer{base}, &value) ||
          __builtin_add_overflow(value, Integer{value_of(source_[begin])}, &value))
        error("expected an integer of at most 127 bits, found a larger one");
    }
    add(TokenType::kNumber, source_.substr(at_, end - at_), Value(value));
    advance(end - at_);
  }

  void string() {
    const char quote = source_[at_];
    std::string text;
    size_t at = at_ + 1;
    for (; at < source_.size() && source_[at] != quote; at++) {
      if (source_[at] != '\\') {
        text += source_[at];
      } else if (++at < source_.size()) {
        escape(at, text);
      }
    }
    if (at >= source_.size())
      error(fmt::format("expected {} at the end of a string, found the end of the template", quote));
    add(TokenType::kString, std::move(text));
    advance(at + 1 - at_);
  }

  // What follows a backslash at `at`, which is left on its last character.
  void escape(size_t& at, std::string& text) const {
    const char c = source_[at];
    const size_t n_hex = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (n_hex != 0) {
      uint32_t code = 0;
      const char* begin = source_.data() + at + 1;
      const char* end = source_.data() + std::min(at + 1 + n_hex, source_.size());
      const auto result = std::from_chars(begin, end, code, 16);
      if (result.ptr != begin + n_hex || code > 0x10ffff)
        error(fmt::format("expected {} hexadecimal digits of a character after \\{}, found others", n_hex, c));
      append_utf8(text, code >= 0xd800 && code < 0xe000 ? kReplacement : static_cast<char32_t>(code));
      at += n_hex;
    } else if (c >= '0' && c <= '7') {
      char32_t code = 0;
      size_t n = 0;
      for (; n < 3 && at + n < source_.size() && source_[at + n] >= '0' && source_[at + n] <= '7'; n++)
        code = code * 8 + static_cast<char32_t>(source_[at + n] - '0');
      append_utf8(text, code);
      at += n - 1;
    } else if (c == 'N') {
      error("expected no \\N{...} in a string, found one");
    } else if (c != '\n') {
      constexpr std::string_view kFrom = "abfnrtv\\'\"", kTo = "\a\b\f\n\r\t\v\\'\"";
      const size_t known = kFrom.find(c);
      if (known == kFrom.npos) text += '\\';
      text += known == kFrom.npos ? c : kTo[known];
    }
  }

  const std::string source_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::string Token::described() const {
  switch (type) {
    case TokenType::kData:
      return "text";
    case TokenType::kOutputBegin:
      return "{{";
    case TokenType::kOutputEnd:
      return "}}";
    case TokenType::kBlockBegin:
      return "{%";
    case TokenType::kBlockEnd:
      return "%}";
    case TokenType::kString:
      return "the string " + python_quoted(text.substr(0, 40));
    case TokenType::kEnd:
      return "the end of the template";
    default:
      return "'" + text + "'";
  }
}

std::vector<Token> tokenize(std::string_view source) {
  return Lexer(source).run();
}

}  // namespace nextn::jinja
