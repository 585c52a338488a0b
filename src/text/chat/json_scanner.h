// Says, character by character, whether a text can still become one value of JSON (RFC 8259), and where it is in it. It
// keeps nothing but the open brackets. A half of a surrogate pair (\ud800) is refused, as nlohmann::json does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace nextn {

class JsonScanner {
 public:
  static constexpr size_t kMaxDepth = 100;  // of arrays and objects: as deep as templates read them

  // False: no JSON begins with the text up to c. The scanner then stands where it stood before c.
  bool take(char c);

  // Whether the text so far is a whole value (blanks around it are allowed).
  bool whole() const noexcept;

  size_t depth() const noexcept { return open_.size(); }  // of arrays and objects that are open
  bool after_value() const noexcept { return state_ == State::kAfter; }
  bool in_key() const noexcept { return key_ && in_string(); }

 private:
  enum class State : uint8_t {
    kValue,      // a value has to come
    kFirstItem,  // after [
    kFirstKey,   // after {
    kKey,        // after a comma in an object
    kColon,      // after a key
    kAfter,      // after a value
    kString,     // the four of a string
    kEscape,     //   after a backslash
    kHex,        //   in the four digits of \u
    kLowEscape,  //   after the first half of a pair: a backslash, then u
    kLiteral,    // true, false, null
    kMinus,      // and the parts of a number
    kZero,
    kDigits,
    kPoint,
    kFraction,
    kExponent,
    kExponentSign,
    kExponentDigits,
  };

  bool in_string() const noexcept { return state_ >= State::kString && state_ <= State::kLowEscape; }
  bool number_may_end() const noexcept;
  bool to(State state);
  bool begin_value(char c);
  bool begin_string(bool key);
  bool open(char bracket, State first);
  bool close(char bracket);
  bool after(char c);
  bool in_string(char c);
  bool hex_digit(char c);
  bool in_number(char c);

  State state_ = State::kValue;
  bool key_ = false;           // the string is a key
  bool low_half_due_ = false;  // the next escape has to be the second half of a pair
  int n_hex_ = 0;
  uint32_t code_ = 0;
  std::string_view literal_;  // what is left of it
  std::string open_;          // { and [
};

bool is_json(std::string_view text);

}  // namespace nextn
