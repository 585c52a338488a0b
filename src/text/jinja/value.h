// The values of a template: Python's None, bool, int, float, str, list, tuple, dict and what jinja2 adds, under
// Python's rules of equality, order and truth. Values are cheap to copy and, but for namespaces and the position of a
// generator, never change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "text/jinja/sandbox.h"

namespace nextn::jinja {

class Dict;
class Value;
struct Object;
struct Sequence;

using Integer = __int128;  // every integer of JSON; what does not fit is an error
using SequencePtr = std::shared_ptr<const Sequence>;
using DictPtr = std::shared_ptr<const Dict>;
using ObjectPtr = std::shared_ptr<Object>;

// What a name stands for that nobody has set. The message is the error of using it for more than jinja2 allows.
struct Undefined {
  std::shared_ptr<const std::string> message;
};
struct None {};

// UTF-8, though perhaps with other bytes between. `safe` is jinja2's Markup: what is added to it gets escaped for HTML.
struct Text {
  std::shared_ptr<const std::string> bytes;
  bool safe = false;
};

// Containers may lie this deep in each other; nothing recurses deeper over a value.
inline constexpr int kMaxValueDepth = 100;

class Value {
 public:
  Value() = default;  // None
  explicit Value(bool value) : data_(value) {}
  explicit Value(Integer value) : data_(value) {}
  explicit Value(int value) : data_(Integer{value}) {}
  explicit Value(size_t value) : data_(Integer(value)) {}
  explicit Value(double value) : data_(value) {}
  explicit Value(std::string text, bool safe = false)
      : data_(Text{std::make_shared<const std::string>(std::move(text)), safe}) {}
  explicit Value(std::string_view text) : Value(std::string(text)) {}
  explicit Value(const char* text) : Value(std::string(text)) {}
  explicit Value(Text text) : data_(std::move(text)) {}
  explicit Value(SequencePtr sequence) : data_(std::move(sequence)) {}
  explicit Value(DictPtr dict) : data_(std::move(dict)) {}
  explicit Value(ObjectPtr object) : data_(std::move(object)) {}
  static Value undefined(std::string message);

  bool is_undefined() const noexcept { return std::holds_alternative<Undefined>(data_); }
  bool is_none() const noexcept { return std::holds_alternative<None>(data_); }
  bool is_text() const noexcept { return std::holds_alternative<Text>(data_); }
  bool is_dict() const noexcept { return std::holds_alternative<DictPtr>(data_); }
  bool is_number() const noexcept { return integer() || std::holds_alternative<double>(data_); }  // bools as well

  // Null where the value is of another kind. An integer may come from a bool, as in Python.
  const bool* boolean() const noexcept { return std::get_if<bool>(&data_); }
  std::optional<Integer> integer() const noexcept;
  const double* floating() const noexcept { return std::get_if<double>(&data_); }
  const std::string* text() const noexcept;
  bool is_safe() const noexcept;
  const Sequence* sequence() const noexcept;
  const Dict* dict() const noexcept;
  template <class T>
  T* object() const noexcept {
    const auto* object = std::get_if<ObjectPtr>(&data_);
    return object == nullptr ? nullptr : dynamic_cast<T*>(object->get());
  }
  const std::string& undefined_message() const { return *std::get<Undefined>(data_).message; }

  bool truth() const noexcept;
  int depth() const noexcept;              // 0 for what holds no values
  std::string type() const;                // Python's name of the type: "str", "NoneType"
  std::string described() const;           // as jinja2 names it in errors: "list object", "None"
  bool is_same(const Value& other) const;  // Python's `is`, as far as it is defined

 private:
  std::variant<None, Undefined, bool, Integer, double, Text, SequencePtr, DictPtr, ObjectPtr> data_;
};

enum class SequenceType { kList, kTuple, kKeys, kValues, kItems, kRange, kGenerator };

// list, tuple, the views of a dict, range, and generators, which are filled at once but can be read once only.
struct Sequence {
  Sequence(SequenceType type, std::vector<Value> values);  // raises where they are nested too deep

  SequenceType type;
  std::vector<Value> values;
  int depth;
  mutable size_t next = 0;                // generators: what has been read
  Integer start = 0, stop = 0, step = 1;  // ranges
};

// A dict in the order of insertion.
class Dict {
 public:
  using Entry = std::pair<Value, Value>;

  void set(const Value& key, Value value);  // raises for a key without a hash, and where values are nested too deep
  void set(std::string_view key, Value value) { set(Value(key), std::move(value)); }
  const Value* find(const Value& key) const;  // null also for a key without a hash
  const Value* find(std::string_view key) const { return find(Value(key)); }
  const std::vector<Entry>& entries() const noexcept { return entries_; }
  int depth() const noexcept { return depth_; }

 private:
  std::vector<Entry> entries_;
  std::unordered_map<std::string, size_t> index_;
  int depth_ = 1;
};

// What only jinja2 has: namespaces, loops, macros, functions, bound methods.
struct Object {
  virtual ~Object() = default;
  virtual std::string type() const = 0;        // with its module where jinja2's errors say it
  virtual std::string representation() const;  // str() and repr()
  virtual int depth() const noexcept { return 0; }
};

Value make_list(std::vector<Value> values);
Value make_tuple(std::vector<Value> values);
Value make_generator(std::vector<Value> values);

// The JSON of a text; discarded where it is none. Raises where it is nested too deep: the library copies, and others go
// over it, by recursion.
nlohmann::ordered_json parse_json(std::string_view text);
// Raises at a document nested too deep.
Value from_json(const nlohmann::ordered_json& json);

// str() and repr().
std::string to_text(const Value& value, Sandbox& sandbox);
std::string representation(const Value& value, Sandbox& sandbox);
std::string integer_text(Integer value);
std::string float_text(double value);
std::string python_quoted(std::string_view text);  // repr() of a str

// json.dumps of Python. Raises for what is no JSON.
struct JsonStyle {
  bool ascii = false, sort_keys = false;
  std::optional<std::string> indent;  // one level
  std::optional<std::string> item_separator, key_separator;
};
std::string to_json(const Value& value, const JsonStyle& style, Sandbox& sandbox);

bool equal(const Value& a, const Value& b, Sandbox& sandbox);
// Below 0, 0 or above. `op` is what the error says about values that have no order.
int compare(const Value& a, const Value& b, std::string_view op, Sandbox& sandbox);
bool contains(const Value& container, const Value& item, Sandbox& sandbox);

// What a loop over the value sees: items, keys, characters; nothing of an undefined one. A generator is read to its
// end.
std::vector<Value> iterate(const Value& value, Sandbox& sandbox);
bool is_iterable(const Value& value) noexcept;
std::optional<size_t> length(const Value& value);  // in items or characters; none where Python's len() fails

}  // namespace nextn::jinja
