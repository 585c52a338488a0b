// Python's two ways to fill in a text: "%s" % value and "{}".format(value).
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/arguments.h"

namespace nextn::jinja {

// `values` is what stands right of the %: a tuple, a dict for %(name)s, or one value. With `safe`, values are escaped
// for HTML.
std::string percent_format(std::string_view format, const Value& values, bool safe, Sandbox& sandbox);

// Looks up "a.b" and "a[b]" in a replacement field.
class FieldLookup {
 public:
  virtual ~FieldLookup() = default;
  virtual Value attribute(const Value& object, std::string_view name) = 0;
  virtual Value item(const Value& object, const Value& key) = 0;
};
std::string brace_format(std::string_view format, const Arguments& arguments, bool safe, FieldLookup& lookup,
                         Sandbox& sandbox);

}  // namespace nextn::jinja
