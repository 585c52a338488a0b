// Runs a parsed template. Sandboxed: a template reads what it is given and writes text; what it may take of steps,
// nesting and text is bounded.
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/ast.h"

namespace nextn::jinja {

struct Limits {
  int64_t steps = 5'000'000;  // expressions evaluated
  size_t bytes = 64 << 20;    // of the text, and of any one string or list on the way (a list counts its elements)
  int depth = 400;            // of expressions, statements and macros within each other
  int nesting = 100;          // of lists and dicts within each other
};

// The text of a template with `globals` (a dict) for its names. `now`: seconds since 1970, UTC, that strftime_now
// shows. Throws Error{kRequest}: "chat template:LINE: ..." for what the template refuses itself (raise_exception), for
// values that an operation has no meaning for, and where a limit is reached.
std::string render(const Body& body, const Value& globals, const Limits& limits, int64_t now);

}  // namespace nextn::jinja
