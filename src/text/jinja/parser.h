// Tokens -> statements and expressions, as Jinja's grammar has them.
#pragma once

#include <string_view>

#include "text/jinja/ast.h"

namespace nextn::jinja {

// Throws Error{kFile}: "chat template:LINE: expected ..., found ...", also for what is nested too deeply and for
// statements of Jinja that chat templates do not use (extends, import, call ..).
Body parse(std::string_view source);

}  // namespace nextn::jinja
