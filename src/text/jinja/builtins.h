// The filters, tests and methods that values have. What is wrong is thrown as a std::string, which the interpreter
// completes with the line.
#pragma once

#include <functional>
#include <string>

#include "text/jinja/value.h"

namespace nextn::jinja {

// What a filter may do besides: call others by name (map, select ..), and ask whether so much text or so many elements
// are too many.
struct Sandbox {
  std::function<void(size_t)> check_size;
};

// value | name(arguments)
Value apply_filter(const Sandbox& sandbox, const std::string& name, const Value& value, const Arguments& arguments);
// value is name(arguments)
bool apply_test(const std::string& name, const Value& value, const Arguments& arguments);
// value.name or value["name"]: a method, or undefined. Methods that would change a value are refused.
Value method_of(const Sandbox& sandbox, const Value& value, const std::string& name);

// Elements of a value as `for` sees them.
List elements(const Value& value);
bool contains(const Value& container, const Value& item);
// value.name as filters read it: "a.b" goes into a, numbers are indices.
Value look_up(const Value& value, const std::string& path);

}  // namespace nextn::jinja
