// Regular expressions as in ECMAScript, of code points: literals, . and classes, \d \w \s (of ASCII) \D \W \S, escapes
// (\n \r \t \f \v \0 \xNN \uNNNN \u{N}), groups, |, ? * + {m} {m,} {m,n}, lazy or not: what matches is the same. ^ and
// $ at the ends of an alternative that stands in no group. Refused by name: look-around, back references, word
// boundaries, Unicode properties, flags, possessive quantifiers.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "grammar/builder.h"
#include "grammar/grammar.h"

namespace nextn::grammar {

enum class RegexMatch {
  kWhole,   // the whole text; anchors change nothing
  kSearch,  // somewhere in the text, but for anchors
};

// How one code point of a set is written in the text: GrammarBuilder::chars, or as a JSON string needs it.
using CharWriter = std::function<Expr(const CodePointSet&)>;

// The texts that match. Throws Error{kRequest} "WHAT: character 3: expected ..., found ...".
Expr regex_expr(GrammarBuilder& builder, std::string_view pattern, const std::string& what, RegexMatch match,
                const CharWriter& write);

// A grammar of the texts that match as a whole. Throws as above, "regex: ...".
std::shared_ptr<const Grammar> parse_regex(std::string_view pattern);

}  // namespace nextn::grammar
