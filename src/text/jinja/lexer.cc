#include "text/jinja/lexer.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.h"
#include "text/jinja/value.h"

namespace nextn::jinja {

namespace {

bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_name(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

constexpr std::array<std::string_view, 6> kLongOperators = {"//", "**", "==", "!=", ">=", "<="};
constexpr std::string_view kOperators = "+-/*%~[](){}><=.:|,;";

class Lexer {
 public:
  explicit Lexer(std::string_view source) {
    for (size_t i = 0; i < source.size(); i++) {  // newlines of any kind are one
      if (source[i] != '\r') {
        s_ += source[i];
      } else if (i + 1 == source.size() || source[i + 1] != '\n') {
        s_ += '\n';
      }
    }
    if (s_.ends_with('\n')) s_.pop_back();
  }

  std::vector<Token> operator()() {
    while (at_ < s_.size()) {
      const size_t tag = next_tag();
      std::string text = s_.substr(at_, tag - at_);
      if (tag == s_.size()) {
        add_text(std::move(text));
        at_ = tag;
        break;
      }
      const char kind = s_[tag + 1], mark = tag + 2 < s_.size() ? s_[tag + 2] : ' ';
      if (mark == '-') {
        while (!text.empty() && is_space(text.back())) text.pop_back();
      } else if (mark != '+' && kind != '{') {
        strip_indent(text);
      }
      const size_t length = s_.substr(at_, tag - at_).size();
      add_text(std::move(text));
      count_lines(at_, at_ + length);
      at_ = tag + 2 + (mark == '-' || mark == '+');
      if (kind == '#') {
        comment();
      } else if (kind == '%' && raw()) {
        continue;
      } else {
        tag_tokens(kind);
      }
    }
    add(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  size_t next_tag() const {
    for (size_t i = at_; i + 1 < s_.size(); i++) {
      if (s_[i] == '{' && (s_[i + 1] == '{' || s_[i + 1] == '%' || s_[i + 1] == '#')) return i;
    }
    return s_.size();
  }

  // Blanks before a block that begins its line.
  void strip_indent(std::string& text) const {
    const size_t line = text.rfind('\n') + 1;  // 0 where there is none
    if (line == 0 && !line_starts_) return;
    if (std::all_of(text.begin() + static_cast<std::ptrdiff_t>(line), text.end(), is_space)) text.resize(line);
  }

  void add(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }
  void add_text(std::string text) {
    if (!text.empty()) add(TokenKind::kText, std::move(text));
  }
  void count_lines(size_t from, size_t to) {
    line_ += static_cast<int>(
        std::count(s_.begin() + static_cast<std::ptrdiff_t>(from), s_.begin() + static_cast<std::ptrdiff_t>(to), '\n'));
  }

  // Goes past an end of a tag, `end` being its last two characters, at at_; false where there is none.
  bool take_end(std::string_view end) {
    const size_t from = at_;
    const char mark = s_[at_];
    size_t to = at_ + ((mark == '-' || mark == '+') ? 1 : 0);
    if (std::string_view(s_).substr(to, 2) != end || (mark == '+' && end == "}}")) return false;
    to += 2;
    if (mark == '-') {
      while (to < s_.size() && is_space(s_[to])) to++;
    } else if (mark != '+' && end != "}}" && to < s_.size() && s_[to] == '\n') {
      to++;
    }
    at_ = to;
    line_starts_ = s_[to - 1] == '\n';
    count_lines(from, to);
    return true;
  }

  void comment() {
    const int line = line_;
    for (; at_ < s_.size(); at_++) {
      if (take_end("#}")) return;
      line_ += s_[at_] == '\n';
    }
    fail_at(line, "expected an end of the comment, #}");
  }

  // {% raw %} .. {% endraw %}: at_ is behind "{%".
  bool raw() {
    const size_t from = at_;
    const auto skip_word = [&](std::string_view word) {
      while (at_ < s_.size() && is_space(s_[at_])) at_++;
      if (std::string_view(s_).substr(at_, word.size()) != word) return false;
      at_ += word.size();
      while (at_ < s_.size() && is_space(s_[at_])) at_++;
      return true;
    };
    if (!skip_word("raw") || at_ >= s_.size() || !take_end("%}")) {
      at_ = from;
      return false;
    }
    const size_t begin = at_;
    for (size_t tag = s_.find("{%", begin); tag != std::string::npos; tag = s_.find("{%", tag + 2)) {
      at_ = tag + 2;
      const char mark = at_ < s_.size() ? s_[at_] : ' ';
      if (mark == '-' || mark == '+') at_++;
      std::string text = s_.substr(begin, tag - begin);
      if (!skip_word("endraw") || at_ >= s_.size() || !take_end("%}")) continue;
      if (mark == '-') {
        while (!text.empty() && is_space(text.back())) text.pop_back();
      } else if (mark != '+') {
        strip_indent(text);
      }
      add_text(std::move(text));
      count_lines(begin, tag);
      return true;
    }
    fail_at(line_, "expected {% endraw %}");
  }

  void tag_tokens(char kind) {
    const bool print = kind == '{';
    const int line = line_;
    add(print ? TokenKind::kPrintBegin : TokenKind::kBlockBegin, "");
    int open = 0;  // brackets: in them }} ends two of them
    while (at_ < s_.size()) {
      if (open == 0 && take_end(print ? "}}" : "%}")) {
        add(print ? TokenKind::kPrintEnd : TokenKind::kBlockEnd, "");
        return;
      }
      const char c = s_[at_];
      if (is_space(c)) {
        line_ += c == '\n';
        at_++;
      } else if (c == '\'' || c == '"') {
        string(c);
      } else if (is_digit(c)) {
        number();
      } else if (is_name(c)) {
        const size_t from = at_;
        while (at_ < s_.size() && is_name(s_[at_])) at_++;
        add(TokenKind::kName, s_.substr(from, at_ - from));
      } else {
        const std::string_view two = std::string_view(s_).substr(at_, 2);
        const size_t n = std::ranges::find(kLongOperators, two) != kLongOperators.end() ? 2 : 1;
        if (n == 1 && kOperators.find(c) == std::string_view::npos) {
          fail_at(line_, fmt::format("expected an operator, found '{}'", c));
        }
        open += (c == '(' || c == '[' || c == '{') - (c == ')' || c == ']' || c == '}');
        add(TokenKind::kOperator, s_.substr(at_, n));
        at_ += n;
      }
    }
    fail_at(line, fmt::format("expected an end of the tag, {}", print ? "}}" : "%}"));
  }

  void number() {
    const size_t from = at_;
    const auto digits = [&] {
      while (at_ < s_.size() && (is_digit(s_[at_]) || s_[at_] == '_')) at_++;
    };
    TokenKind kind = TokenKind::kInt;
    digits();
    if (at_ + 1 < s_.size() && s_[at_] == '.' && is_digit(s_[at_ + 1])) {
      kind = TokenKind::kFloat;
      at_++;
      digits();
    }
    if (at_ < s_.size() && (s_[at_] == 'e' || s_[at_] == 'E')) {
      size_t to = at_ + 1;
      if (to < s_.size() && (s_[to] == '+' || s_[to] == '-')) to++;
      if (to < s_.size() && is_digit(s_[to])) {
        kind = TokenKind::kFloat;
        at_ = to;
        digits();
      }
    }
    std::string text = s_.substr(from, at_ - from);
    std::erase(text, '_');
    add(kind, std::move(text));
  }

  // With Python's escapes.
  void string(char quote) {
    const int line = line_;
    std::string out;
    for (at_++; at_ < s_.size() && s_[at_] != quote; at_++) {
      line_ += s_[at_] == '\n';
      if (s_[at_] != '\\' || at_ + 1 == s_.size()) {
        out += s_[at_];
        continue;
      }
      const char c = s_[++at_];
      constexpr std::string_view kNames = "ntrbfav\\'\"", kValues = "\n\t\r\b\f\a\v\\'\"";
      if (const size_t i = kNames.find(c); i != std::string_view::npos) {
        out += kValues[i];
      } else if (c == 'x' || c == 'u' || c == 'U') {
        code_point(out, c == 'x' ? 2 : c == 'u' ? 4 : 8);
      } else if (c != '\n') {
        out += '\\';
        out += c;
      }
    }
    if (at_ == s_.size()) fail_at(line, fmt::format("expected an end of the string, {}", quote));
    at_++;
    tokens_.push_back({TokenKind::kString, std::move(out), line});
  }

  void code_point(std::string& out, size_t n_digits) {
    const std::string digits = s_.substr(at_ + 1, n_digits);
    if (digits.size() < n_digits ||
        !std::ranges::all_of(digits, [](unsigned char c) { return std::isxdigit(c) != 0; })) {
      fail_at(line_, fmt::format("expected {} hexadecimal digits after \\{}, found '{}'", n_digits, s_[at_], digits));
    }
    const unsigned long code = std::stoul(digits, nullptr, 16);
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
      fail_at(line_, fmt::format("expected a code point, found \\{}{}", s_[at_], digits));
    }
    out += encode(std::u32string(1, static_cast<char32_t>(code)));
    at_ += n_digits;
  }

  std::string s_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starts_ = true;  // what comes next is at the beginning of a line
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) {
  return Lexer(source)();
}

void fail_at(int line, const std::string& what) {
  fail(ErrorCode::kFile, "chat template:{}: {}", line, what);
}

}  // namespace nextn::jinja
