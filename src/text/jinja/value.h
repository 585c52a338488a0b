// Values of a template, as Python has them: what a name, an attribute or an expression stands for. Lists, dicts and
// namespaces are shared, not copied; strings are UTF-8 and count in code points.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace nextn::jinja {

class Value;
using List = std::vector<Value>;
struct Tuple;                                          // a list that is written (a, b) and equals no other
using Entries = std::vector<std::pair<Value, Value>>;  // in the order of insertion, keys unique

struct Dict {
  Entries entries;
  bool is_namespace = false;  // attributes can be set

  const Value* find(const Value& key) const noexcept;
  void set(Value key, Value value);
};

// What a call is made with.
struct Arguments {
  List positional;
  std::vector<std::pair<std::string, Value>> named;

  // Argument i, or the one of that name; nullptr where there is none.
  const Value* find(size_t i, std::string_view name) const noexcept;
};

using Function = std::function<Value(const Arguments&)>;

struct Undefined {
  std::string name;  // for messages
};
struct None {};

class Value {
 public:
  Value() : data_(Undefined{}) {}
  Value(Undefined u) : data_(std::move(u)) {}
  Value(None) : data_(None{}) {}
  Value(bool b) : data_(b) {}
  Value(int64_t i) : data_(i) {}
  Value(int i) : data_(static_cast<int64_t>(i)) {}
  Value(size_t n) : data_(static_cast<int64_t>(n)) {}
  Value(double d) : data_(d) {}
  Value(std::string s) : data_(std::move(s)) {}
  Value(std::string_view s) : data_(std::string(s)) {}
  Value(const char* s) : data_(std::string(s)) {}
  Value(List list) : data_(std::make_shared<List>(std::move(list))) {}
  Value(Tuple tuple);
  Value(Dict dict) : data_(std::make_shared<Dict>(std::move(dict))) {}
  Value(Function f) : data_(std::make_shared<Function>(std::move(f))) {}
  static Value of(const nlohmann::ordered_json& json);

  template <class T>
  const T* get() const noexcept {
    return std::get_if<T>(&data_);
  }
  bool is_undefined() const noexcept { return get<Undefined>() != nullptr; }
  bool is_none() const noexcept { return get<None>() != nullptr; }
  const std::string* string() const noexcept { return get<std::string>(); }
  List* list() const noexcept;  // or of a tuple
  Dict* dict() const noexcept { return of_shared<Dict>(); }
  const Function* function() const noexcept { return of_shared<Function>(); }
  bool is_number() const noexcept { return get<bool>() || get<int64_t>() || get<double>(); }
  // Of a bool, too. nullptr-like: false where it is none.
  bool to_int(int64_t* out) const noexcept;
  bool to_double(double* out) const noexcept;

  bool truth() const noexcept;
  std::string text() const;  // str()
  std::string repr() const;
  const char* type_name() const noexcept;  // as Python says it
  bool operator==(const Value& other) const noexcept;

 private:
  template <class T>
  T* of_shared() const noexcept {
    const auto* p = std::get_if<std::shared_ptr<T>>(&data_);
    return p == nullptr ? nullptr : p->get();
  }
  void print(std::string& out, bool quoted, int depth) const;

  std::variant<Undefined, None, bool, int64_t, double, std::string, std::shared_ptr<List>, std::shared_ptr<Tuple>,
               std::shared_ptr<Dict>, std::shared_ptr<Function>>
      data_;
};

struct Tuple {
  List items;
};

// Less, equal or greater; throws std::string of what is wrong for values that have no order.
int compare(const Value& a, const Value& b);

// json.dumps(value, ensure_ascii=False, indent=indent, sort_keys=sort_keys); indent below 0: on one line. Throws
// std::string for what JSON has not got.
std::string to_json(const Value& value, int indent, bool sort_keys);

// The JSON of a text; discarded where it is none, or nested deeper than what goes over it by recursion may go.
nlohmann::ordered_json parse_json(std::string_view text);

// Code points of a string and back.
std::u32string decode(std::string_view text);
std::string encode(std::u32string_view text);

}  // namespace nextn::jinja
