// Numbers between bounds, as digit by digit automata: exact, with no rounding anywhere.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "grammar/builder.h"

namespace nextn::grammar {

// A decimal number: digits before the point without leading zeros (none: 0), digits after it without trailing zeros.
struct Decimal {
  bool negative = false;
  std::string whole, fraction;

  // Of a number as JSON writes it; nothing where it has more than 60 digits, zeros counted.
  static std::optional<Decimal> parse(std::string_view json);
  bool is_zero() const { return whole.empty() && fraction.empty(); }
};

// < 0, 0 or > 0 as a is less than, equal to or greater than b.
int compare(const Decimal& a, const Decimal& b);

struct NumberRange {
  std::optional<Decimal> min, max;
  bool excludes_min = false, excludes_max = false;
};

// JSON numbers in the range, without exponents, with at most as many digits as JsonText's, or as the bounds have if
// those have more. integer: without a fraction. No text where the range has no number.
Expr number_in(GrammarBuilder& builder, const NumberRange& range, bool integer);

}  // namespace nextn::grammar
