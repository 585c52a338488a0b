// The tests behind `is`.
#include <cmath>

#include "text/jinja/builtins.h"
#include "text/jinja/operations.h"
#include "text/jinja/strings.h"

namespace nextn::jinja {

namespace {

bool is_defined(Interpreter&, const Value& value, const Arguments&) {
  return !value.is_undefined();
}
bool is_undefined(Interpreter&, const Value& value, const Arguments&) {
  return value.is_undefined();
}
bool is_none(Interpreter&, const Value& value, const Arguments&) {
  return value.is_none();
}
bool is_boolean(Interpreter&, const Value& value, const Arguments&) {
  return value.boolean() != nullptr;
}
bool is_true(Interpreter&, const Value& value, const Arguments&) {
  return value.boolean() != nullptr && *value.boolean();
}
bool is_false(Interpreter&, const Value& value, const Arguments&) {
  return value.boolean() != nullptr && !*value.boolean();
}
bool is_integer(Interpreter&, const Value& value, const Arguments&) {
  return value.integer() && value.boolean() == nullptr;
}
bool is_float(Interpreter&, const Value& value, const Arguments&) {
  return value.floating() != nullptr;
}
bool is_number(Interpreter&, const Value& value, const Arguments&) {
  return value.is_number();
}
bool is_string(Interpreter&, const Value& value, const Arguments&) {
  return value.is_text();
}
bool is_mapping(Interpreter&, const Value& value, const Arguments&) {
  return value.is_dict();
}
bool is_iterable_test(Interpreter&, const Value& value, const Arguments&) {
  return is_iterable(value);
}
// What has a length and items by index or key; so do an undefined value and a dict.
bool is_sequence(Interpreter&, const Value& value, const Arguments&) {
  const Sequence* sequence = value.sequence();
  if (sequence == nullptr) return is_iterable(value);
  return sequence->type <= SequenceType::kTuple || sequence->type == SequenceType::kRange;
}
bool is_callable(Interpreter&, const Value& value, const Arguments&) {
  return value.is_undefined() || (value.object<Object>() != nullptr && value.object<Namespace>() == nullptr);
}
bool is_escaped(Interpreter&, const Value& value, const Arguments&) {
  return value.is_safe();
}

// str.islower and str.isupper: there are letters with case, and all of them have this one.
bool is_lower(Interpreter& in, const Value& value, const Arguments&) {
  const std::string text = in.text(value);
  return lower(text) == text && upper(text) != text;
}
bool is_upper(Interpreter& in, const Value& value, const Arguments&) {
  const std::string text = in.text(value);
  return upper(text) == text && lower(text) != text;
}

Value remainder(Interpreter& in, const Value& value, const Value& by) {
  return apply(BinaryOp::kModulo, value, by, in.sandbox());
}
bool is_odd(Interpreter& in, const Value& value, const Arguments&) {
  return equal(remainder(in, value, Value(2)), Value(1), in.sandbox());
}
bool is_even(Interpreter& in, const Value& value, const Arguments&) {
  return equal(remainder(in, value, Value(2)), Value(0), in.sandbox());
}
bool is_divisible_by(Interpreter& in, const Value& value, const Arguments& arguments) {
  const Parameters given("divisibleby", arguments, {"num"}, 1);
  return equal(remainder(in, value, *given[0]), Value(0), in.sandbox());
}
bool is_same_as(Interpreter&, const Value& value, const Arguments& arguments) {
  const Parameters given("sameas", arguments, {"other"}, 1);
  return value.is_same(*given[0]);
}

template <CompareOp op>
bool compares(Interpreter& in, const Value& value, const Arguments& arguments) {
  const Parameters given("a comparison", arguments, {"other"}, 1);
  return apply(op, value, *given[0], in.sandbox());
}

bool is_filter(Interpreter&, const Value& value, const Arguments&) {
  return value.is_text() && (find_filter(*value.text()) != nullptr || find_sequence_filter(*value.text()) != nullptr);
}
bool is_test(Interpreter&, const Value& value, const Arguments&) {
  return value.is_text() && find_test(*value.text()) != nullptr;
}

}  // namespace

TestRun find_test(std::string_view name) {
  static constexpr std::pair<std::string_view, TestRun> kTests[] = {
      {"!=", compares<CompareOp::kNotEqual>},
      {"<", compares<CompareOp::kLess>},
      {"<=", compares<CompareOp::kLessEqual>},
      {"==", compares<CompareOp::kEqual>},
      {">", compares<CompareOp::kGreater>},
      {">=", compares<CompareOp::kGreaterEqual>},
      {"boolean", is_boolean},
      {"callable", is_callable},
      {"defined", is_defined},
      {"divisibleby", is_divisible_by},
      {"eq", compares<CompareOp::kEqual>},
      {"equalto", compares<CompareOp::kEqual>},
      {"escaped", is_escaped},
      {"even", is_even},
      {"false", is_false},
      {"filter", is_filter},
      {"float", is_float},
      {"ge", compares<CompareOp::kGreaterEqual>},
      {"greaterthan", compares<CompareOp::kGreater>},
      {"gt", compares<CompareOp::kGreater>},
      {"in", compares<CompareOp::kIn>},
      {"integer", is_integer},
      {"iterable", is_iterable_test},
      {"le", compares<CompareOp::kLessEqual>},
      {"lessthan", compares<CompareOp::kLess>},
      {"lower", is_lower},
      {"lt", compares<CompareOp::kLess>},
      {"mapping", is_mapping},
      {"ne", compares<CompareOp::kNotEqual>},
      {"none", is_none},
      {"number", is_number},
      {"odd", is_odd},
      {"sameas", is_same_as},
      {"sequence", is_sequence},
      {"string", is_string},
      {"test", is_test},
      {"true", is_true},
      {"undefined", is_undefined},
      {"upper", is_upper},
  };
  for (const auto& [known, run] : kTests) {
    if (known == name) return run;
  }
  return nullptr;
}

}  // namespace nextn::jinja
