// Python's operators on values.
#pragma once

#include "text/jinja/ast.h"

namespace nextn::jinja {

// All but kAnd and kOr, which do not always look at both sides.
Value apply(BinaryOp op, const Value& left, const Value& right, Sandbox& sandbox);
Value apply(UnaryOp op, const Value& operand);
bool apply(CompareOp op, const Value& left, const Value& right, Sandbox& sandbox);

// value[start:stop:step]; None where left out.
Value slice(const Value& value, const Value& start, const Value& stop, const Value& step, Sandbox& sandbox);

}  // namespace nextn::jinja
