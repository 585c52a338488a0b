// What templates find without having defined it. Each finder gives null for an unknown name.
#pragma once

#include "text/jinja/objects.h"

namespace nextn::jinja {

using FilterRun = Value (*)(Interpreter&, const Value& input, const Arguments&);
FilterRun find_filter(std::string_view name);  // filters.cc, sequence_filters.cc
FilterRun find_sequence_filter(std::string_view name);

using TestRun = bool (*)(Interpreter&, const Value& input, const Arguments&);
TestRun find_test(std::string_view name);  // tests.cc

// A method of a str, list, tuple or dict that does not change it, or of a loop.
Method::Run find_method(const Value& self, std::string_view name);  // methods.cc
// The names of methods that a sandbox of jinja2 refuses, because they change a list or dict.
bool is_forbidden_method(const Value& self, std::string_view name);

const Value* find_global(std::string_view name);  // functions.cc

}  // namespace nextn::jinja
