// Tokens to a tree, by the grammar of jinja2 and its loop controls, without what needs other templates: extends,
// include, import and block are refused.
#pragma once

#include <string_view>

#include "text/jinja/ast.h"

namespace nextn::jinja {

// Throws SyntaxError (lexer.h), for a template that is nested too deep as well.
Block parse(std::string_view source);

}  // namespace nextn::jinja
