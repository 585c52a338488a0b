// llama.cpp's grammar notation. Rules `name ::= ...`, of which `root` is the whole text; | ( ) * + ? {n} {n,} {n,m}
// {,m}; "..." with the escapes \n \r \t \\ \" \[ \] \- \xNN \uNNNN \UNNNNNNNN (code points); [...] [^...] of code
// points; . for any; # comments. A rule ends with its line, but not inside of parentheses, nor before or after a |.
// Refused by name: token references <...>, left recursion.
#pragma once

#include <memory>
#include <string_view>

#include "grammar/grammar.h"

namespace nextn::grammar {

// Throws Error{kRequest} "gbnf: line 3: expected ..., found ...".
std::shared_ptr<const Grammar> parse_gbnf(std::string_view text);

}  // namespace nextn::grammar
