#include "text/jinja/format.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "text/jinja/strings.h"
#include "text/tokenizer/unicode.h"

namespace nextn::jinja {

namespace {

constexpr int kMaxPrecision = 300;

// [[fill]align][sign][#][0][width][,][.precision][type]
struct Spec {
  std::string fill = " ";
  char align = 0;  // < > ^ =
  char sign = '-';
  bool alternate = false;
  char grouping = 0;
  int64_t width = 0;
  int precision = -1;
  char type = 0;
};

int64_t read_count(std::string_view text, size_t& at) {
  int64_t count = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; at++) {
    if (count > std::numeric_limits<int32_t>::max()) raise("Too many decimal digits in format string");
    count = count * 10 + (text[at] - '0');
  }
  return count;
}

std::string padded(std::string text, const Spec& spec, char align, size_t prefix, Sandbox& sandbox) {
  const int64_t size = static_cast<int64_t>(from_utf8(text).size());
  if (size >= spec.width) return text;
  const int64_t missing = spec.width - size;
  sandbox.bytes(static_cast<uint64_t>(missing) * spec.fill.size());
  const auto fill = [&](int64_t n) {
    std::string out;
    for (int64_t i = 0; i < n; i++) out += spec.fill;
    return out;
  };
  switch (align) {
    case '<':
      return text + fill(missing);
    case '^':
      return fill(missing / 2) + text + fill(missing - missing / 2);
    case '=':
      return text.insert(prefix, fill(missing));
    default:
      return fill(missing) + text;
  }
}

void group(std::string& digits, char separator) {
  const size_t dot = std::min(digits.find_first_not_of("0123456789"), digits.size());
  for (size_t i = dot; i > 3; i -= 3) digits.insert(i - 3, 1, separator);
}

std::string float_digits(double value, const Spec& spec) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return "inf";
  if (spec.type == 0 && spec.precision < 0) return float_text(value);
  const int precision = spec.precision < 0 ? 6 : spec.precision;
  if (precision > kMaxPrecision) raise("expected at most {} digits of precision, found {}", kMaxPrecision, precision);
  std::string text;
  switch (spec.type | 0x20) {
    case 'e':
      text = fmt::format("{:.{}e}", value, precision);
      break;
    case 'f':
      text = fmt::format("{:.{}f}", value, precision);
      break;
    case '%':
      text = fmt::format("{:.{}f}%", value * 100, precision);
      break;
    default:
      text = fmt::format("{:.{}g}", value, std::max(precision, 1));
      if (spec.type == 0 && text.find_first_of(".e") == text.npos) text += ".0";
  }
  if (spec.type == 'E' || spec.type == 'F' || spec.type == 'G') text = upper(text);
  return text;
}

std::string integer_digits(unsigned __int128 rest, const Spec& spec) {
  int base = 10;
  std::string_view prefix;
  switch (spec.type) {
    case 'x':
    case 'X':
      base = 16;
      prefix = spec.type == 'x' ? "0x" : "0X";
      break;
    case 'o':
      base = 8;
      prefix = "0o";
      break;
    case 'b':
      base = 2;
      prefix = "0b";
      break;
    default:
      break;
  }
  std::string digits;
  for (; rest != 0; rest /= static_cast<unsigned>(base))
    digits += "0123456789abcdef"[static_cast<size_t>(rest % static_cast<unsigned>(base))];
  if (digits.empty()) digits += '0';
  std::ranges::reverse(digits);
  if (spec.type == 'X') digits = upper(digits);
  return spec.alternate ? std::string(prefix) + digits : digits;
}

std::string format_number(const Value& value, const Spec& spec, Sandbox& sandbox) {
  const auto integer = value.integer();
  const bool whole = integer && std::string_view("\0dixXobn", 8).find(spec.type) != std::string_view::npos;
  if (!integer && value.floating() == nullptr) raise("a number is required, not {}", value.type());
  if (!whole && std::string_view("xXobdic").find(spec.type) != std::string_view::npos && integer == std::nullopt &&
      (spec.type != 'd' && spec.type != 'i'))
    raise("%{} format: an integer is required, not {}", spec.type, value.type());
  bool negative;
  std::string digits;
  if (whole) {
    negative = *integer < 0;
    const auto size = static_cast<unsigned __int128>(*integer);
    digits = integer_digits(negative ? -size : size, spec);
  } else {
    const double number = integer ? static_cast<double>(*integer) : *value.floating();
    negative = std::signbit(number) && !std::isnan(number);
    digits = float_digits(std::fabs(number), spec);
  }
  if (spec.grouping != 0) group(digits, spec.grouping);
  std::string sign = negative ? "-" : spec.sign == '+' ? "+" : spec.sign == ' ' ? " " : "";
  const size_t prefix = sign.size() + (whole && spec.alternate && spec.type != 0 && spec.type != 'd' ? 2 : 0);
  return padded(sign + digits, spec, spec.align == 0 ? '>' : spec.align, prefix, sandbox);
}

std::string cut(std::string text, int precision) {
  if (precision < 0) return text;
  std::string out;
  for (const std::string_view character : characters(text)) {
    if (precision-- == 0) break;
    out += character;
  }
  return out;
}

// ---- %

class PercentFormat {
 public:
  PercentFormat(std::string_view format, const Value& values, bool safe, Sandbox& sandbox)
      : format_(format), values_(values), safe_(safe), sandbox_(sandbox) {
    const Sequence* sequence = values.sequence();
    if (sequence != nullptr && sequence->type == SequenceType::kTuple) tuple_ = &sequence->values;
  }

  std::string run() {
    std::string out;
    while (at_ < format_.size()) {
      const size_t percent = std::min(format_.find('%', at_), format_.size());
      out += format_.substr(at_, percent - at_);
      at_ = percent + 1;
      if (percent < format_.size()) out += one();
    }
    const size_t given = tuple_ != nullptr ? tuple_->size() : values_.is_dict() ? next_ : 1;
    if (next_ < given) raise("not all arguments converted during string formatting");
    return out;
  }

 private:
  const Value& next() {
    if (tuple_ != nullptr ? next_ >= tuple_->size() : next_ >= 1) raise("not enough arguments for format string");
    return tuple_ != nullptr ? (*tuple_)[next_++] : (next_++, values_);
  }

  std::string one() {
    Spec spec;
    const Value* named = nullptr;
    if (at_ < format_.size() && format_[at_] == '(') {
      const size_t end = format_.find(')', at_);
      if (end == format_.npos) raise("incomplete format key");
      if (values_.dict() == nullptr) raise("format requires a mapping");
      const std::string_view name = format_.substr(at_ + 1, end - at_ - 1);
      named = values_.dict()->find(name);
      if (named == nullptr) raise("{}", python_quoted(name));
      at_ = end + 1;
    }
    for (; at_ < format_.size(); at_++) {
      const char c = format_[at_];
      if (c == '-') {
        spec.align = '<';
      } else if (c == '+' || (c == ' ' && spec.sign == '-')) {
        spec.sign = c;
      } else if (c == '#') {
        spec.alternate = true;
      } else if (c == '0') {
        if (spec.align == 0) spec.align = '=';
      } else {
        break;
      }
    }
    if (spec.align == '=') spec.fill.assign(1, '0');
    spec.width = star_or_count(spec);
    if (at_ < format_.size() && format_[at_] == '.') {
      at_++;
      Spec unused;
      spec.precision = static_cast<int>(star_or_count(unused));
    }
    if (at_ >= format_.size()) raise("incomplete format");
    spec.type = format_[at_++];
    if (spec.type == '%') return "%";
    return convert(spec, named);
  }

  int64_t star_or_count(Spec& spec) {
    if (at_ >= format_.size() || format_[at_] != '*') return read_count(format_, at_);
    at_++;
    const int64_t count = to_index(next());
    if (count < 0) spec.align = '<';
    return std::min<int64_t>(std::abs(count), std::numeric_limits<int32_t>::max());
  }

  std::string convert(Spec spec, const Value* named) {
    const Value& value = named != nullptr ? *named : next();
    switch (spec.type) {
      case 's':
      case 'r':
      case 'a': {
        std::string text = spec.type == 's' ? to_text(value, sandbox_) : representation(value, sandbox_);
        if (safe_ && !value.is_safe()) text = escaped(text);
        spec.fill.assign(1, ' ');
        return padded(cut(std::move(text), spec.precision), spec, spec.align == '<' ? '<' : '>', 0, sandbox_);
      }
      case 'c': {
        spec.fill.assign(1, ' ');
        std::string text;
        if (const auto code = value.integer()) {
          if (*code < 0 || *code > 0x10ffff) raise("%c arg not in range(0x110000)");
          append_utf8(text, static_cast<char32_t>(*code));
        } else if (value.is_text() && from_utf8(*value.text()).size() == 1) {
          text = *value.text();
        } else {
          raise("%c requires int or char");
        }
        return padded(std::move(text), spec, spec.align == '<' ? '<' : '>', 0, sandbox_);
      }
      case 'd':
      case 'i':
      case 'u': {
        spec.type = 'd';
        if (const double* number = value.floating()) {
          if (!std::isfinite(*number) || std::fabs(*number) >= 1e37) raise("cannot convert float to integer");
          return format_number(Value(static_cast<Integer>(*number)), spec, sandbox_);
        }
        if (!value.integer()) raise("%d format: a real number is required, not {}", value.type());
        break;
      }
      case 'x':
      case 'X':
      case 'o':
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G':
        break;
      default:
        raise("unsupported format character '{}'", spec.type);
    }
    if (!value.is_number()) raise("must be real number, not {}", value.type());
    return format_number(value, spec, sandbox_);
  }

  std::string_view format_;
  const Value& values_;
  bool safe_;
  Sandbox& sandbox_;
  const std::vector<Value>* tuple_ = nullptr;
  size_t at_ = 0, next_ = 0;
};

// ---- {}

class BraceFormat {
 public:
  BraceFormat(const Arguments& arguments, bool safe, FieldLookup& lookup, Sandbox& sandbox)
      : arguments_(arguments), safe_(safe), lookup_(lookup), sandbox_(sandbox) {}

  std::string run(std::string_view format, int level) {
    if (level > 1) raise("Max string recursion exceeded");
    std::string out;
    for (size_t at = 0; at < format.size(); at++) {
      const char c = format[at];
      if ((c == '{' || c == '}') && at + 1 < format.size() && format[at + 1] == c) {
        out += format[at++];
      } else if (c == '}') {
        raise("Single '}}' encountered in format string");
      } else if (c == '{') {
        size_t end = at + 1;
        for (int open = 1; end < format.size(); end++) {
          open += format[end] == '{' ? 1 : format[end] == '}' ? -1 : 0;
          if (open == 0) break;
        }
        if (end >= format.size()) raise("expected '}}' before end of string");
        out += field(format.substr(at + 1, end - at - 1), level);
        at = end;
      } else {
        out += c;
      }
    }
    return out;
  }

 private:
  std::string field(std::string_view field, int level) {
    const size_t name_end = std::min(field.find_first_of("!:"), field.size());
    Value value = resolve(field.substr(0, name_end));
    std::string_view rest = field.substr(name_end);
    if (rest.starts_with('!')) {
      const char how = rest.size() > 1 ? rest[1] : 0;
      if (how == 's') {
        value = Value(to_text(value, sandbox_));
      } else if (how == 'r' || how == 'a') {
        value = Value(representation(value, sandbox_));
      } else {
        raise("Unknown conversion specifier");
      }
      rest.remove_prefix(2);
      if (!rest.empty() && rest[0] != ':') raise("expected ':' after conversion specifier");
    }
    if (rest.starts_with(':')) rest.remove_prefix(1);
    std::string out = apply(value, rest.empty() ? "" : run(rest, level + 1));
    return safe_ && !value.is_safe() ? escaped(out) : out;
  }

  Value resolve(std::string_view name) {
    const size_t end = std::min(name.find_first_of(".["), name.size());
    const std::string_view first = name.substr(0, end);
    Value value;
    if (first.empty() || first.find_first_not_of("0123456789") == first.npos) {
      size_t at = 0;
      const int64_t index = first.empty() ? next_++ : read_count(first, at);
      if (index >= static_cast<int64_t>(arguments_.positional.size()))
        raise("Replacement index {} out of range for positional args tuple", index);
      value = arguments_.positional[static_cast<size_t>(index)];
    } else {
      const auto place = std::ranges::find_if(arguments_.named, [&](const auto& one) { return one.first == first; });
      if (place == arguments_.named.end()) raise("{}", python_quoted(first));
      value = place->second;
    }
    for (std::string_view rest = name.substr(end); !rest.empty();) {
      if (rest[0] == '.') {
        const size_t stop = std::min(rest.find_first_of(".[", 1), rest.size());
        value = lookup_.attribute(value, rest.substr(1, stop - 1));
        rest.remove_prefix(stop);
      } else {
        const size_t stop = rest.find(']');
        if (rest[0] != '[' || stop == rest.npos) raise("Only '.' or '[' may follow ']' in format field specifier");
        const std::string_view key = rest.substr(1, stop - 1);
        size_t at = 0;
        const bool number = !key.empty() && key.find_first_not_of("0123456789") == key.npos;
        value = lookup_.item(value, number ? Value(Integer{read_count(key, at)}) : Value(key));
        rest.remove_prefix(stop + 1);
      }
    }
    return value;
  }

  std::string apply(const Value& value, std::string_view text) {
    if (text.empty()) return to_text(value, sandbox_);
    Spec spec;
    size_t at = 0;
    const auto is_align = [](std::string_view c) { return c == "<" || c == ">" || c == "^" || c == "="; };
    const auto parts = characters(text);
    if (parts.size() > 1 && is_align(parts[1])) {
      spec.fill = parts[0];
      spec.align = parts[1][0];
      at = parts[0].size() + 1;
    } else if (is_align(parts[0])) {
      spec.align = text[at++];
    }
    if (at < text.size() && (text[at] == '+' || text[at] == '-' || text[at] == ' ')) spec.sign = text[at++];
    if (at < text.size() && text[at] == '#') spec.alternate = true, at++;
    if (at < text.size() && text[at] == '0') {
      if (spec.align == 0) spec.align = '=', spec.fill.assign(1, '0');
      at++;
    }
    spec.width = read_count(text, at);
    if (at < text.size() && (text[at] == ',' || text[at] == '_')) spec.grouping = text[at++];
    if (at < text.size() && text[at] == '.') {
      at++;
      if (at >= text.size() || text[at] < '0' || text[at] > '9') raise("Format specifier missing precision");
      spec.precision = static_cast<int>(std::min<int64_t>(read_count(text, at), std::numeric_limits<int32_t>::max()));
    }
    if (at < text.size()) spec.type = text[at++];
    if (at < text.size()) raise("Invalid format specifier");
    return formatted(value, spec);
  }

  std::string formatted(const Value& value, const Spec& spec) {
    if (const std::string* bytes = value.text()) {
      if (spec.type != 0 && spec.type != 's') raise("Unknown format code '{}' for object of type 'str'", spec.type);
      if (spec.align == '=') raise("'=' alignment not allowed in string format specifier");
      return padded(cut(*bytes, spec.precision), spec, spec.align == 0 ? '<' : spec.align, 0, sandbox_);
    }
    if (!value.is_number()) raise("unsupported format string passed to {}.__format__", value.type());
    constexpr std::string_view kInteger("\0dxXobn", 7), kFloat("\0eEfFgGn%", 9);
    const bool as_integer = value.integer() && kInteger.find(spec.type) != kInteger.npos;
    if (!as_integer && kFloat.find(spec.type) == kFloat.npos)
      raise("Unknown format code '{}' for object of type '{}'", spec.type, value.type());
    if (as_integer && spec.precision >= 0) raise("Precision not allowed in integer format specifier");
    return format_number(value, spec, sandbox_);
  }

  const Arguments& arguments_;
  bool safe_;
  FieldLookup& lookup_;
  Sandbox& sandbox_;
  int64_t next_ = 0;
};

}  // namespace

std::string percent_format(std::string_view format, const Value& values, bool safe, Sandbox& sandbox) {
  return PercentFormat(format, values, safe, sandbox).run();
}

std::string brace_format(std::string_view format, const Arguments& arguments, bool safe, FieldLookup& lookup,
                         Sandbox& sandbox) {
  return BraceFormat(arguments, safe, lookup, sandbox).run(format, 0);
}

}  // namespace nextn::jinja
