#include "text/jinja/operations.h"

#include <algorithm>
#include <cmath>

#include "text/jinja/arguments.h"
#include "text/jinja/format.h"
#include "text/jinja/strings.h"

namespace nextn::jinja {

namespace {

constexpr std::string_view kSymbols[] = {"+", "-", "*", "/", "//", "%", "** or pow()"};

[[noreturn]] void unsupported(BinaryOp op, const Value& left, const Value& right) {
  raise("unsupported operand type(s) for {}: '{}' and '{}'", kSymbols[static_cast<int>(op)], left.type(), right.type());
}

[[noreturn]] void too_large() {
  raise("expected integers of at most 127 bits, found a larger one");
}

Value safe_concat(const Value& left, const Value& right, Sandbox& sandbox) {
  const bool safe = left.is_safe() || right.is_safe();
  std::string out = safe && !left.is_safe() ? escaped(*left.text()) : *left.text();
  out += safe && !right.is_safe() ? escaped(*right.text()) : *right.text();
  sandbox.bytes(out.size());
  return Value(std::move(out), safe);
}

bool is_list_or_tuple(const Sequence* sequence) {
  return sequence != nullptr && sequence->type <= SequenceType::kTuple;
}

Value make_alike(SequenceType type, std::vector<Value> values) {
  return type == SequenceType::kTuple ? make_tuple(std::move(values)) : make_list(std::move(values));
}

Value add_sequences(const Value& left, const Value& right, Sandbox& sandbox) {
  if (left.is_text()) {
    if (!right.is_text()) raise("can only concatenate str (not \"{}\") to str", right.type());
    return safe_concat(left, right, sandbox);
  }
  const Sequence *a = left.sequence(), *b = right.sequence();
  if (!is_list_or_tuple(a)) unsupported(BinaryOp::kAdd, left, right);
  if (b == nullptr || a->type != b->type)
    raise("can only concatenate {} (not \"{}\") to {}", left.type(), right.type(), left.type());
  sandbox.bytes((a->values.size() + b->values.size()) * sizeof(Value));
  std::vector<Value> values = a->values;
  values.insert(values.end(), b->values.begin(), b->values.end());
  return make_alike(a->type, std::move(values));
}

Value repeat(const Value& value, const Value& count, Sandbox& sandbox) {
  if (!count.integer()) raise("can't multiply sequence by non-int of type '{}'", count.type());
  const uint64_t n = static_cast<uint64_t>(std::clamp<int64_t>(to_index(count), 0, int64_t{1} << 40));
  const Sequence* sequence = value.sequence();
  const uint64_t size = sequence == nullptr ? value.text()->size() : sequence->values.size() * sizeof(Value);
  if (size != 0) sandbox.bytes(std::min(n, (uint64_t{1} << 62) / size) * size);
  if (sequence == nullptr) {
    std::string out;
    for (uint64_t i = 0; size != 0 && i < n; i++) out += *value.text();
    return Value(std::move(out), value.is_safe());
  }
  std::vector<Value> values;
  for (uint64_t i = 0; size != 0 && i < n; i++)
    values.insert(values.end(), sequence->values.begin(), sequence->values.end());
  return make_alike(sequence->type, std::move(values));
}

Integer floor_divide(Integer a, Integer b) {
  if (b == 0) raise("integer division or modulo by zero");
  Integer quotient = 0;
  if (b == -1 && __builtin_sub_overflow(Integer{0}, a, &quotient)) too_large();
  if (b != -1) quotient = a / b;
  return quotient * b != a && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

double modulo(double a, double b) {
  if (b == 0) raise("float modulo");
  const double rest = std::fmod(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

Value power(Integer base, Integer exponent) {
  if (exponent < 0) {
    if (base == 0) raise("0.0 cannot be raised to a negative power");
    return Value(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  Integer result = 1;
  for (;;) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) too_large();
    exponent >>= 1;
    if (exponent == 0) return Value(result);
    if (__builtin_mul_overflow(base, base, &base)) too_large();
  }
}

Value integers(BinaryOp op, Integer a, Integer b) {
  Integer result = 0;
  switch (op) {
    case BinaryOp::kAdd:
      if (__builtin_add_overflow(a, b, &result)) too_large();
      return Value(result);
    case BinaryOp::kSubtract:
      if (__builtin_sub_overflow(a, b, &result)) too_large();
      return Value(result);
    case BinaryOp::kMultiply:
      if (__builtin_mul_overflow(a, b, &result)) too_large();
      return Value(result);
    case BinaryOp::kDivide:
      if (b == 0) raise("division by zero");
      return Value(static_cast<double>(a) / static_cast<double>(b));
    case BinaryOp::kFloorDivide:
      return Value(floor_divide(a, b));
    case BinaryOp::kModulo:
      return Value(a - floor_divide(a, b) * b);
    default:
      return power(a, b);
  }
}

Value floats(BinaryOp op, double a, double b) {
  switch (op) {
    case BinaryOp::kAdd:
      return Value(a + b);
    case BinaryOp::kSubtract:
      return Value(a - b);
    case BinaryOp::kMultiply:
      return Value(a * b);
    case BinaryOp::kDivide:
      if (b == 0) raise("float division by zero");
      return Value(a / b);
    case BinaryOp::kFloorDivide:
      if (b == 0) raise("float floor division by zero");
      return Value((a - modulo(a, b)) / b);
    case BinaryOp::kModulo:
      return Value(modulo(a, b));
    default: {
      if (a < 0 && std::trunc(b) != b) raise("expected a real power, found a complex one");
      if (a == 0 && b < 0) raise("0.0 cannot be raised to a negative power");
      const double result = std::pow(a, b);
      if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) raise("(34, 'Numerical result out of range')");
      return Value(result);
    }
  }
}

double to_double(const Value& value) {
  const auto integer = value.integer();
  return integer ? static_cast<double>(*integer) : *value.floating();
}

}  // namespace

Value apply(BinaryOp op, const Value& left, const Value& right, Sandbox& sandbox) {
  if (op == BinaryOp::kModulo && left.is_text())
    return Value(percent_format(*left.text(), right, left.is_safe(), sandbox), left.is_safe());
  if (left.is_undefined() || right.is_undefined())
    raise("{}", (left.is_undefined() ? left : right).undefined_message());
  if (left.is_number() && right.is_number()) {
    const auto a = left.integer(), b = right.integer();
    return a && b ? integers(op, *a, *b) : floats(op, to_double(left), to_double(right));
  }
  if (op == BinaryOp::kAdd) return add_sequences(left, right, sandbox);
  if (op == BinaryOp::kMultiply) {
    if (left.is_text() || is_list_or_tuple(left.sequence())) return repeat(left, right, sandbox);
    if (right.is_text() || is_list_or_tuple(right.sequence())) return repeat(right, left, sandbox);
  }
  unsupported(op, left, right);
}

Value apply(UnaryOp op, const Value& operand) {
  if (op == UnaryOp::kNot) return Value(!operand.truth());
  if (operand.is_undefined()) raise("{}", operand.undefined_message());
  const bool minus = op == UnaryOp::kMinus;
  if (const auto integer = operand.integer()) {
    Integer result = *integer;
    if (minus && __builtin_sub_overflow(Integer{0}, *integer, &result)) too_large();
    return Value(result);
  }
  if (const double* number = operand.floating()) return Value(minus ? -*number : *number);
  raise("bad operand type for unary {}: '{}'", minus ? '-' : '+', operand.type());
}

bool apply(CompareOp op, const Value& left, const Value& right, Sandbox& sandbox) {
  const bool not_a_number = (left.floating() != nullptr && std::isnan(*left.floating())) ||
                            (right.floating() != nullptr && std::isnan(*right.floating()));
  switch (op) {
    case CompareOp::kEqual:
      return equal(left, right, sandbox);
    case CompareOp::kNotEqual:
      return !equal(left, right, sandbox);
    case CompareOp::kLess:
      return compare(left, right, "<", sandbox) < 0;
    case CompareOp::kLessEqual:
      return compare(left, right, "<=", sandbox) <= 0;
    case CompareOp::kGreater:
      return compare(left, right, ">", sandbox) > 0 && !not_a_number;
    case CompareOp::kGreaterEqual:
      return compare(left, right, ">=", sandbox) >= 0 && !not_a_number;
    case CompareOp::kIn:
      return contains(right, left, sandbox);
    case CompareOp::kNotIn:
      return !contains(right, left, sandbox);
  }
  return false;
}

Value slice(const Value& value, const Value& start, const Value& stop, const Value& step, Sandbox& sandbox) {
  if (value.is_undefined()) raise("{}", value.undefined_message());
  const std::string* text = value.text();
  const Sequence* sequence = value.sequence();
  const bool sliceable =
      text != nullptr || is_list_or_tuple(sequence) || (sequence != nullptr && sequence->type == SequenceType::kRange);
  if (value.is_dict()) raise("unhashable type: 'slice'");
  if (!sliceable) raise("'{}' object is not subscriptable", value.type());

  std::vector<std::string_view> parts;
  if (text != nullptr) {
    sandbox.bytes(text->size() * sizeof(std::string_view));
    parts = characters(*text);
  }
  const int64_t size = static_cast<int64_t>(text != nullptr ? parts.size() : sequence->values.size());
  for (const Value* bound : {&start, &stop, &step}) {
    if (!bound->is_none() && !bound->integer())
      raise("slice indices must be integers or None or have an __index__ method");
  }
  const int64_t by = step.is_none() ? 1 : std::clamp<int64_t>(to_index(step), -size - 1, size + 1);
  if (by == 0) raise("slice step cannot be zero");
  const int64_t low = by > 0 ? 0 : -1, high = by > 0 ? size : size - 1;
  const auto bound = [&](const Value& given, int64_t otherwise) {
    if (given.is_none()) return otherwise;
    const int64_t index = to_index(given);
    return std::clamp(index < 0 && index >= -size - 1 ? index + size : index, low, high);
  };
  const int64_t first = bound(start, by > 0 ? low : high), last = bound(stop, by > 0 ? high : low);

  std::string characters_out;
  std::vector<Value> values;
  for (int64_t i = first; by > 0 ? i < last : i > last; i += by) {
    if (text != nullptr) {
      characters_out += parts[static_cast<size_t>(i)];
    } else {
      values.push_back(sequence->values[static_cast<size_t>(i)]);
    }
  }
  sandbox.bytes(characters_out.size() + values.size() * sizeof(Value));
  if (text != nullptr) return Value(std::move(characters_out), value.is_safe());
  return make_alike(sequence->type, std::move(values));
}

}  // namespace nextn::jinja
