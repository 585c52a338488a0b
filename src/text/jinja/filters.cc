// Filters of texts, numbers and single values. Those of sequences are in sequence_filters.cc.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "text/jinja/builtins.h"
#include "text/jinja/format.h"
#include "text/jinja/operations.h"
#include "text/jinja/strings.h"
#include "text/tokenizer/unicode.h"

namespace nextn::jinja {

namespace {

// The text of any value; what was safe stays so.
Value like(const Value& input, std::string text) {
  return Value(std::move(text), input.is_safe());
}

Value no_arguments(std::string_view name, const Arguments& arguments, Value value) {
  Parameters(name, arguments, {});
  return value;
}

Value upper_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  return no_arguments("upper", arguments, like(input, upper(in.text(input))));
}

Value lower_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  return no_arguments("lower", arguments, like(input, lower(in.text(input))));
}

Value capitalize_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  return no_arguments("capitalize", arguments, like(input, capitalize(in.text(input))));
}

// Words begin after white space and after - ( { [ <.
Value title_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  std::string out;
  bool inside = false;
  const std::string all = in.text(input);
  for (const std::string_view character : characters(all)) {
    const bool between =
        is_space(from_utf8(character)[0]) || std::string_view("-({[<").find(character) != std::string::npos;
    out += inside ? lower(character) : upper(character);
    inside = !between;
  }
  return no_arguments("title", arguments, like(input, std::move(out)));
}

Value trim_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  const Parameters given("trim", arguments, {"chars"});
  const std::string all = in.text(input);
  const std::string* set = given.some(0) == nullptr ? nullptr : &given.text(0, all);
  return like(input, std::string(strip(all, Side::kBoth, set)));
}

Value string_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  return no_arguments("string", arguments, like(input, in.text(input)));
}

Value safe_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  return no_arguments("safe", arguments, Value(in.text(input), true));
}

Value escape_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  const std::string all = in.text(input);
  return no_arguments("escape", arguments, Value(input.is_safe() ? all : escaped(all), true));
}

Value forceescape_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  return no_arguments("forceescape", arguments, Value(escaped(in.text(input)), true));
}

Value default_filter(Interpreter&, const Value& input, const Arguments& arguments) {
  const Parameters given("default", arguments, {"default_value", "boolean"});
  const bool missing = input.is_undefined() || (given.flag(1, false) && !input.truth());
  if (!missing) return input;
  return given[0] == nullptr ? Value("") : *given[0];
}

Value replace_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  const Parameters given("replace", arguments, {"old", "new", "count"}, 2);
  Arguments plain;
  plain.positional = {Value(in.text(*given[0])), Value(in.text(*given[1]))};
  if (given.some(2) != nullptr) plain.positional.push_back(*given[2]);
  const Value all(in.text(input));
  return find_method(all, "replace")(in, all, plain);
}

Value format_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  if (!arguments.positional.empty() && !arguments.named.empty())
    raise("can't handle positional and keyword arguments at the same time");
  Value values = make_tuple(arguments.positional);
  if (!arguments.named.empty()) {
    auto dict = std::make_shared<Dict>();
    for (const auto& [name, value] : arguments.named) dict->set(name, value);
    values = Value(DictPtr(std::move(dict)));
  }
  return like(input, percent_format(in.text(input), values, input.is_safe(), in.sandbox()));
}

Value indent_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  const Parameters given("indent", arguments, {"width", "first", "blank"});
  const bool by_text = given[0] != nullptr && given[0]->is_text();
  const int64_t width = by_text ? 0 : std::max<int64_t>(given.integer(0, 4), 0);
  in.sandbox().bytes(static_cast<uint64_t>(width));
  const std::string indent = by_text ? *given[0]->text() : std::string(static_cast<size_t>(width), ' ');
  const bool first = given.flag(1, false), blank = given.flag(2, false);
  if (input.is_undefined()) raise("{}", input.undefined_message());
  if (!input.is_text()) raise("unsupported operand type(s) for +=: '{}' and 'str'", input.type());
  const std::string all = *input.text() + "\n";
  const auto lines = split_lines(all);
  in.sandbox().bytes(all.size() + lines.size() * indent.size());
  std::string out = first ? indent : "";
  for (size_t i = 0; i < lines.size(); i++) {
    if (i > 0) out += '\n';
    if (i > 0 && (blank || !lines[i].empty())) out += indent;
    out += lines[i];
  }
  return like(input, std::move(out));
}

Value center_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  const Parameters given("center", arguments, {"width"});
  const Value all = like(input, in.text(input));
  Arguments width;
  width.positional.emplace_back(Integer{given.integer(0, 80)});
  return find_method(all, "center")(in, all, width);
}

Value truncate_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  const Parameters given("truncate", arguments, {"length", "killwords", "end", "leeway"});
  if (!input.is_text()) raise("object of type '{}' has no len()", input.type());
  const std::string end = given.text(2, "...");
  const int64_t length = given.integer(0, 255), leeway = given.some(3) == nullptr ? 5 : given.integer(3, 5);
  const int64_t end_size = static_cast<int64_t>(from_utf8(end).size());
  if (length < end_size) raise("expected length >= {}, got {}", end_size, length);
  if (leeway < 0) raise("expected leeway >= 0, got {}", leeway);
  const auto parts = characters(*input.text());
  const int64_t size = static_cast<int64_t>(parts.size());
  if (size - leeway <= length) return input;
  std::string out;
  for (int64_t i = 0; i < std::min(length - end_size, size); i++) out += parts[static_cast<size_t>(i)];
  const size_t space = out.rfind(' ');
  if (!given.flag(1, false) && space != out.npos) out.resize(space);
  in.sandbox().bytes(out.size());
  return like(input, out + end);
}

Value wordcount_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  int words = 0;
  bool inside = false;
  for (const char32_t c : from_utf8(in.text(input))) {
    const CharClass kind = char_class(c);
    const bool word = c == '_' || kind == CharClass::kLetter || kind == CharClass::kNumber;
    words += word && !inside ? 1 : 0;
    inside = word;
  }
  return no_arguments("wordcount", arguments, Value(words));
}

// One text of a URL; in a query a space is a plus.
std::string url_quoted(const std::string& text, bool query) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                       std::string_view("_.-~").find(c) != std::string_view::npos || (c == '/' && !query);
    if (plain) {
      out += c;
    } else if (c == ' ' && query) {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", static_cast<uint8_t>(c));
    }
  }
  return out;
}

Value urlencode_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  Parameters("urlencode", arguments, {});
  std::string out;
  const auto put = [&](const Value& value, bool query) {
    const std::string part = url_quoted(in.text(value), query);
    in.sandbox().bytes(part.size());
    out += part;
  };
  if (input.is_text() || !is_iterable(input)) {
    put(input, false);
    return Value(std::move(out));
  }
  std::vector<std::pair<Value, Value>> pairs;
  if (const Dict* dict = input.dict()) {
    pairs = dict->entries();
  } else {
    for (const Value& pair : in.items(input)) {
      const std::vector<Value> parts = in.items(pair);
      if (parts.size() != 2) raise("expected pairs of a key and a value, found {} items", parts.size());
      pairs.emplace_back(parts[0], parts[1]);
    }
  }
  for (const auto& [key, value] : pairs) {
    if (!out.empty()) out += '&';
    put(key, true);
    out += '=';
    put(value, true);
  }
  return Value(std::move(out));
}

// ---- numbers

std::optional<Integer> read_integer(std::string_view text, int base) {
  text = strip(text, Side::kBoth);
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const auto prefix = [&](std::string_view lower_case) {
    return text.size() > 2 && text[0] == '0' && (text[1] | 0x20) == lower_case[0];
  };
  const int named = prefix("x") ? 16 : prefix("o") ? 8 : prefix("b") ? 2 : 0;
  if (named != 0 && (base == named || base == 0)) {
    text.remove_prefix(2);
    base = named;
  } else if (base == 0) {
    base = 10;
  }
  Integer value = 0;
  bool digit_before = false;
  for (const char c : text) {
    if (c == '_' && digit_before) {
      digit_before = false;
      continue;
    }
    const int digit = c >= '0' && c <= '9'                     ? c - '0'
                      : (c | 0x20) >= 'a' && (c | 0x20) <= 'z' ? (c | 0x20) - 'a' + 10
                                                               : 99;
    if (digit >= base) return std::nullopt;
    if (__builtin_mul_overflow(value, Integer{base}, &value) || __builtin_add_overflow(value, Integer{digit}, &value))
      raise("expected integers of at most 127 bits, found a larger one");
    digit_before = true;
  }
  if (!digit_before) return std::nullopt;
  return negative ? -value : value;
}

std::optional<double> read_float(std::string_view given) {
  std::string text(strip(given, Side::kBoth));
  for (size_t i = 1; i + 1 < text.size(); i++) {
    const auto digit = [&](size_t at) { return text[at] >= '0' && text[at] <= '9'; };
    if (text[i] == '_' && digit(i - 1) && digit(i + 1)) text.erase(i, 1);
  }
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest.empty() || rest[0] == '-') return std::nullopt;
  const std::string word = lower(rest);
  double value = 0;
  if (word == "inf" || word == "infinity") {
    value = HUGE_VAL;
  } else if (word == "nan") {
    value = NAN;
  } else {
    const auto result = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (result.ptr != rest.data() + rest.size() || (rest[0] != '.' && (rest[0] < '0' || rest[0] > '9')))
      return std::nullopt;
    if (result.ec == std::errc::result_out_of_range) value = word.find("e-") == word.npos ? HUGE_VAL : 0;
  }
  return negative ? -value : value;
}

std::optional<Integer> whole_part(double value) {
  if (!std::isfinite(value) || std::fabs(value) >= 1e37) return std::nullopt;
  return static_cast<Integer>(value);
}

Value int_filter(Interpreter&, const Value& input, const Arguments& arguments) {
  const Parameters given("int", arguments, {"default", "base"});
  const Value otherwise = given[0] == nullptr ? Value(0) : *given[0];
  if (input.is_undefined()) raise("{}", input.undefined_message());
  if (const auto integer = input.integer()) return Value(*integer);
  std::optional<Integer> out;
  if (const double* number = input.floating()) out = whole_part(*number);
  if (const std::string* text = input.text()) {
    const int64_t base = given.integer(1, 10);
    if (base != 0 && (base < 2 || base > 36)) raise("int() base must be >= 2 and <= 36, or 0");
    out = read_integer(*text, static_cast<int>(base));
    if (!out) {
      const auto number = read_float(*text);
      if (number) out = whole_part(*number);
    }
  }
  return out ? Value(*out) : otherwise;
}

Value float_filter(Interpreter&, const Value& input, const Arguments& arguments) {
  const Parameters given("float", arguments, {"default"});
  if (input.is_undefined()) raise("{}", input.undefined_message());
  if (const auto integer = input.integer()) return Value(static_cast<double>(*integer));
  if (input.floating() != nullptr) return input;
  if (const std::string* text = input.text()) {
    if (const auto number = read_float(*text)) return Value(*number);
  }
  return given[0] == nullptr ? Value(0.0) : *given[0];
}

Value abs_filter(Interpreter&, const Value& input, const Arguments& arguments) {
  if (input.is_undefined()) raise("{}", input.undefined_message());
  if (!input.is_number()) raise("bad operand type for abs(): '{}'", input.type());
  const bool negative = input.integer() ? *input.integer() < 0 : std::signbit(*input.floating());
  return no_arguments("abs", arguments, apply(negative ? UnaryOp::kMinus : UnaryOp::kPlus, input));
}

Value round_filter(Interpreter&, const Value& input, const Arguments& arguments) {
  const Parameters given("round", arguments, {"precision", "method"});
  const std::string method = given.text(1, "common");
  if (method != "common" && method != "ceil" && method != "floor") raise("method must be common, ceil or floor");
  if (input.is_undefined()) raise("{}", input.undefined_message());
  if (!input.is_number()) raise("type {} doesn't define __round__ method", input.type());
  const int precision = static_cast<int>(std::clamp<int64_t>(given.integer(0, 0), -300, 300));
  const auto integer = input.integer();
  const double number = integer ? static_cast<double>(*integer) : *input.floating();
  if (method == "common" && integer && precision >= 0) return Value(*integer);
  if (!std::isfinite(number)) return input;
  double out = 0;
  if (method == "common" && precision >= 0) {
    // Correctly rounded in decimal, a tie by the number's own digits: what printing does.
    const std::string text = fmt::format("{:.{}f}", number, precision);
    std::from_chars(text.data(), text.data() + text.size(), out);
  } else {
    const double scale = std::pow(10.0, precision);
    out = (method == "ceil"    ? std::ceil(number * scale)
           : method == "floor" ? std::floor(number * scale)
                               : std::nearbyint(number * scale)) /
          scale;
  }
  if (method == "common" && integer) return Value(static_cast<Integer>(out));
  return Value(out);
}

// ---- JSON

Value tojson_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  const Parameters given("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ascii = given.flag(0, false);
  style.sort_keys = given.flag(3, false);
  if (const Value* indent = given.some(1)) {
    const int64_t width = indent->is_text() ? 0 : std::max<int64_t>(to_index(*indent), 0);
    in.sandbox().bytes(static_cast<uint64_t>(width));
    style.indent = indent->is_text() ? *indent->text() : std::string(static_cast<size_t>(width), ' ');
  }
  if (const Value* separators = given.some(2)) {
    const std::vector<Value> parts = in.items(*separators);
    if (parts.size() != 2 || !parts[0].is_text() || !parts[1].is_text())
      raise("expected two texts as separators, found {}", representation(*separators, in.sandbox()));
    style.item_separator = *parts[0].text();
    style.key_separator = *parts[1].text();
  }
  return Value(to_json(input, style, in.sandbox()));
}

Value from_json_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  Parameters("from_json", arguments, {});
  if (!input.is_text()) raise("the JSON object must be str, bytes or bytearray, not {}", input.type());
  const std::string& text = *input.text();
  in.sandbox().bytes(text.size() * 4);
  const auto json = parse_json(text);
  if (json.is_discarded()) raise("from_json: expected JSON, found {}", python_quoted(text.substr(0, 40)));
  return from_json(json);
}

}  // namespace

FilterRun find_filter(std::string_view name) {
  static constexpr std::pair<std::string_view, FilterRun> kFilters[] = {
      {"abs", abs_filter},
      {"capitalize", capitalize_filter},
      {"center", center_filter},
      {"d", default_filter},
      {"default", default_filter},
      {"e", escape_filter},
      {"escape", escape_filter},
      {"float", float_filter},
      {"forceescape", forceescape_filter},
      {"format", format_filter},
      {"from_json", from_json_filter},
      {"indent", indent_filter},
      {"int", int_filter},
      {"lower", lower_filter},
      {"replace", replace_filter},
      {"round", round_filter},
      {"safe", safe_filter},
      {"string", string_filter},
      {"title", title_filter},
      {"tojson", tojson_filter},
      {"trim", trim_filter},
      {"truncate", truncate_filter},
      {"upper", upper_filter},
      {"urlencode", urlencode_filter},
      {"wordcount", wordcount_filter},
  };
  for (const auto& [known, run] : kFilters) {
    if (known == name) return run;
  }
  return nullptr;
}

}  // namespace nextn::jinja
