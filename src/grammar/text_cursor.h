// A place in a notation that is read from left to right, and the messages about what is wrong there.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace nextn::grammar {

// 'x', or a byte's number where it cannot be shown.
std::string described(char c);
// A name of the user's for a message: on one line, its beginning where it is long.
std::string shown(std::string_view name);

// The text must outlive it. Every error is Error{kRequest} "WHAT: line 3: ..." or "WHAT: character 3: ...".
class TextCursor {
 public:
  enum class Place { kLine, kCharacter };

  TextCursor(std::string what, std::string_view text, Place place)
      : what_(std::move(what)), text_(text), place_(place) {}

  bool at_end() const { return at_ >= text_.size(); }
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  char take() { return text_[at_++]; }
  bool skip(char c);
  bool skip(std::string_view s);
  int line() const;

  char32_t code_point();       // the next one; an error where the text is not UTF-8 or at its end
  char32_t hex(int n_digits);  // of a scalar value
  // What stands after a {: n} n,} n,m} or ,m}. Numbers up to `limit`.
  std::pair<int, int> bounds(int limit);

  [[noreturn]] void unexpected(std::string_view expected) const;  // "expected ..., found 'x'" or "the end"
  [[noreturn]] void error(std::string_view message) const;

 private:
  int number(int limit);

  std::string what_;
  std::string_view text_;
  Place place_;
  size_t at_ = 0;
  mutable size_t counted_ = 0;  // how far line() has come
  mutable int n_lines_ = 0;     // and the line ends before that
};

}  // namespace nextn::grammar
