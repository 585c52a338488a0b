// What a function, filter, test or method was called with, and how it finds its parameters in it, by Python's rules.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace nextn::jinja {

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

// The parameters of one call. Raises for too many arguments, unknown names, a parameter given twice, and one of the
// first `n_required` left out. The arguments must outlive it.
class Parameters {
 public:
  Parameters(std::string_view function, const Arguments& arguments, std::initializer_list<std::string_view> names,
             size_t n_required = 0);

  const Value* operator[](size_t i) const { return values_[i]; }  // null where none was given
  // Where a parameter was given and is not None.
  const Value* some(size_t i) const { return values_[i] == nullptr || values_[i]->is_none() ? nullptr : values_[i]; }

  bool flag(size_t i, bool otherwise) const { return values_[i] == nullptr ? otherwise : values_[i]->truth(); }
  int64_t integer(size_t i, int64_t otherwise) const;  // raises for another type
  const std::string& text(size_t i, const std::string& otherwise) const;

 private:
  std::string_view function_;
  std::vector<const Value*> values_;
};

// The value as an index or a count, cut to what 64 bits hold; raises for another type.
int64_t to_index(const Value& value);

}  // namespace nextn::jinja
