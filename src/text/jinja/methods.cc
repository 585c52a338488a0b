// The methods of Python's str, list, tuple and dict, as far as they change nothing, and those of `loop`.
#include <utf8proc.h>

#include <algorithm>
#include <limits>

#include "text/jinja/builtins.h"
#include "text/jinja/format.h"
#include "text/jinja/operations.h"
#include "text/jinja/strings.h"
#include "text/tokenizer/unicode.h"

namespace nextn::jinja {

namespace {

// A text that is as safe as the one it was made from.
Value like(const Value& self, std::string_view text) {
  return Value(std::string(text), self.is_safe());
}

const std::string& text_of(const Value& value, std::string_view what) {
  if (value.is_undefined()) raise("{}", value.undefined_message());
  if (!value.is_text()) raise("{} must be str, not {}", what, value.type());
  return *value.text();
}

// An argument that becomes part of `self`, escaped where self is safe and it is not.
std::string inserted(const Value& self, const Value& argument, std::string_view what) {
  const std::string& text = text_of(argument, what);
  return self.is_safe() && !argument.is_safe() ? escaped(text) : text;
}

template <Side side>
Value strip_method(Interpreter&, const Value& self, const Arguments& arguments) {
  const Parameters given("strip", arguments, {"chars"});
  const std::string* set = given.some(0) == nullptr ? nullptr : &text_of(*given[0], "strip arg");
  return like(self, strip(*self.text(), side, set));
}

template <std::string (*change)(std::string_view)>
Value changed_method(Interpreter& in, const Value& self, const Arguments& arguments) {
  Parameters("the method", arguments, {});
  in.sandbox().bytes(self.text()->size() * 2);
  return like(self, change(*self.text()));
}

std::string swapped_case(std::string_view text) {
  std::string out;
  for (const std::string_view character : characters(text)) {
    const std::string large = upper(character);
    out += large == character ? lower(character) : large;
  }
  return out;
}

std::string casefolded(std::string_view text) {
  std::string out;
  const std::string small = lower(text);
  for (const std::string_view character : characters(small)) out += character == "\u00df" ? "ss" : character;
  return out;
}

// str.split() and rsplit() by white space, at most n times.
std::vector<std::string_view> split_by_space(std::string_view text, int64_t n, bool from_right) {
  std::vector<std::string_view> words;
  size_t at = 0, begin = 0;
  bool inside = false;
  for (const std::string_view character : characters(text)) {
    const bool space = is_space(from_utf8(character)[0]);
    if (inside && space) words.push_back(text.substr(begin, at - begin));
    if (!inside && !space) begin = at;
    inside = !space;
    at += character.size();
  }
  if (inside) words.push_back(text.substr(begin));
  if (n < 0 || words.size() <= static_cast<size_t>(n)) return words;

  // The words beyond the n-th stay one text.
  const auto place = [&](std::string_view word) { return static_cast<size_t>(word.data() - text.data()); };
  const size_t kept = static_cast<size_t>(n);
  if (from_right) {
    const std::string_view last = words[words.size() - kept - 1];
    const std::string_view rest = text.substr(0, place(last) + last.size());
    words.erase(words.begin(), words.end() - static_cast<ptrdiff_t>(kept));
    words.insert(words.begin(), rest);
  } else {
    const std::string_view rest = text.substr(place(words[kept]));
    words.resize(kept);
    words.push_back(rest);
  }
  return words;
}

std::vector<std::string_view> split_by_text(std::string_view text, std::string_view by, int64_t n) {
  std::vector<std::string_view> out;
  size_t begin = 0;
  for (size_t at = 0; n != 0 && (at = find_text(text, by, begin)) != text.npos; n--) {
    out.push_back(text.substr(begin, at - begin));
    begin = at + by.size();
  }
  out.push_back(text.substr(begin));
  return out;
}

// From the right: what splitting the reversed text finds, seen in a mirror.
std::vector<std::string_view> rsplit_by_text(std::string_view text, std::string_view by, int64_t n) {
  const std::string text_back(text.rbegin(), text.rend()), by_back(by.rbegin(), by.rend());
  std::vector<std::string_view> out;
  for (const std::string_view part : split_by_text(text_back, by_back, n)) {
    const size_t end = text.size() - static_cast<size_t>(part.data() - text_back.data());
    out.push_back(text.substr(end - part.size(), part.size()));
  }
  std::ranges::reverse(out);
  return out;
}

template <bool from_right>
Value split_method(Interpreter& in, const Value& self, const Arguments& arguments) {
  const Parameters given("split", arguments, {"sep", "maxsplit"});
  const int64_t n = std::max<int64_t>(given.integer(1, -1), -1);
  in.sandbox().bytes(self.text()->size());
  std::vector<std::string_view> parts;
  if (given.some(0) == nullptr) {
    parts = split_by_space(*self.text(), n, from_right);
  } else {
    const std::string& by = text_of(*given[0], "sep");
    if (by.empty()) raise("empty separator");
    parts = from_right ? rsplit_by_text(*self.text(), by, n) : split_by_text(*self.text(), by, n);
  }
  in.sandbox().bytes(parts.size() * sizeof(Value));
  std::vector<Value> out;
  for (const std::string_view part : parts) out.push_back(like(self, part));
  return make_list(std::move(out));
}

Value splitlines_method(Interpreter& in, const Value& self, const Arguments& arguments) {
  const Parameters given("splitlines", arguments, {"keepends"});
  std::vector<Value> out;
  for (const std::string_view line : split_lines(*self.text(), given.flag(0, false))) out.push_back(like(self, line));
  in.sandbox().bytes(self.text()->size() + out.size() * sizeof(Value));
  return make_list(std::move(out));
}

template <bool from_right>
Value partition_method(Interpreter&, const Value& self, const Arguments& arguments) {
  const Parameters given("partition", arguments, {"sep"}, 1);
  const std::string& by = text_of(*given[0], "sep");
  if (by.empty()) raise("empty separator");
  const std::string& text = *self.text();
  const size_t at = from_right ? rfind_text(text, by) : find_text(text, by);
  if (at == text.npos) {
    const Value all = like(self, text), none = like(self, "");
    return from_right ? make_tuple({none, none, all}) : make_tuple({all, none, none});
  }
  return make_tuple({like(self, text.substr(0, at)), like(self, by), like(self, text.substr(at + by.size()))});
}

// self[start:end] of the arguments behind the first.
std::pair<std::string, size_t> searched(Interpreter& in, const Value& self, const Parameters& given) {
  const Value start = given.some(1) == nullptr ? Value() : *given[1],
              end = given.some(2) == nullptr ? Value() : *given[2];
  const std::string part = *slice(self, start, end, Value(), in.sandbox()).text();
  const int64_t size = static_cast<int64_t>(from_utf8(*self.text()).size());
  const int64_t first = start.is_none() ? 0 : to_index(start);
  const int64_t offset = first < 0 ? std::max<int64_t>(first + size, 0) : first;
  if (offset > size) return {std::string(), std::string::npos};
  return {part, static_cast<size_t>(offset)};
}

template <bool from_right, bool must_be_there>
Value find_in_text(Interpreter& in, const Value& self, const Arguments& arguments) {
  const Parameters given("find", arguments, {"sub", "start", "end"}, 1);
  const std::string& part = text_of(*given[0], "argument");
  const auto [text, offset] = searched(in, self, given);
  const size_t at = offset == std::string::npos ? offset : from_right ? rfind_text(text, part) : find_text(text, part);
  if (at == std::string::npos && must_be_there) raise("substring not found");
  if (at == std::string::npos) return Value(-1);
  return Value(offset + from_utf8(text.substr(0, at)).size());
}

Value count_in_text(Interpreter& in, const Value& self, const Arguments& arguments) {
  const Parameters given("count", arguments, {"sub", "start", "end"}, 1);
  const std::string& part = text_of(*given[0], "argument");
  const auto [text, offset] = searched(in, self, given);
  if (offset == std::string::npos) return Value(0);
  if (part.empty()) return Value(from_utf8(text).size() + 1);
  size_t n = 0;
  for (size_t at = 0; (at = find_text(text, part, at)) != text.npos; at += part.size()) n++;
  return Value(n);
}

template <bool at_end>
Value starts_or_ends(Interpreter& in, const Value& self, const Arguments& arguments) {
  const std::string_view name = at_end ? "endswith" : "startswith";
  const Parameters given(name, arguments, {"prefix", "start", "end"}, 1);
  const auto [text, offset] = searched(in, self, given);
  std::vector<Value> parts{*given[0]};
  if (const Sequence* sequence = given[0]->sequence(); sequence != nullptr && sequence->type == SequenceType::kTuple)
    parts = sequence->values;
  for (const Value& part : parts) {
    if (!part.is_text()) raise("{} first arg must be str or a tuple of str, not {}", name, part.type());
    if (offset != std::string::npos && (at_end ? text.ends_with(*part.text()) : text.starts_with(*part.text())))
      return Value(true);
  }
  return Value(false);
}

template <bool at_end>
Value without_affix(Interpreter&, const Value& self, const Arguments& arguments) {
  const Parameters given("removeprefix", arguments, {"prefix"}, 1);
  const std::string& part = text_of(*given[0], "argument");
  std::string_view text = *self.text();
  if (!at_end && text.starts_with(part)) text.remove_prefix(part.size());
  if (at_end && text.ends_with(part)) text.remove_suffix(part.size());
  return like(self, text);
}

Value replace_method(Interpreter& in, const Value& self, const Arguments& arguments) {
  const Parameters given("replace", arguments, {"old", "new", "count"}, 2);
  const std::string old = inserted(self, *given[0], "replace() argument 1"),
                    now = inserted(self, *given[1], "replace() argument 2");
  int64_t n = given.integer(2, -1);
  if (n < 0) n = std::numeric_limits<int64_t>::max();
  const std::string& text = *self.text();
  std::string out;
  const auto put = [&](std::string_view part) {
    in.sandbox().bytes(part.size());
    out += part;
  };
  if (old.empty()) {
    for (const std::string_view character : characters(text)) {
      if (n-- > 0) put(now);
      put(character);
    }
    if (n > 0) put(now);
    return like(self, out);
  }
  size_t begin = 0;
  for (size_t at = 0; n > 0 && (at = find_text(text, old, begin)) != text.npos; n--) {
    put(std::string_view(text).substr(begin, at - begin));
    put(now);
    begin = at + old.size();
  }
  put(std::string_view(text).substr(begin));
  return like(self, out);
}

Value join_method(Interpreter& in, const Value& self, const Arguments& arguments) {
  const Parameters given("join", arguments, {"iterable"}, 1);
  std::string out;
  size_t n = 0;
  for (const Value& value : in.items(*given[0])) {
    if (!value.is_text()) raise("sequence item {}: expected str instance, {} found", n, value.type());
    if (n++ > 0) {
      in.sandbox().bytes(self.text()->size());
      out += *self.text();
    }
    const std::string part = inserted(self, value, "item");
    in.sandbox().bytes(part.size());
    out += part;
  }
  return like(self, out);
}

enum class Align { kLeft, kRight, kCenter };
template <Align align>
Value padded_method(Interpreter& in, const Value& self, const Arguments& arguments) {
  const Parameters given("the method", arguments, {"width", "fillchar"}, 1);
  const std::string fill = given[1] == nullptr ? " " : text_of(*given[1], "the fill character");
  if (from_utf8(fill).size() != 1) raise("The fill character must be exactly one character long");
  const int64_t size = static_cast<int64_t>(from_utf8(*self.text()).size()), width = given.integer(0, 0);
  if (width <= size) return self;
  const int64_t missing = width - size;
  in.sandbox().bytes(std::min<uint64_t>(static_cast<uint64_t>(missing), uint64_t{1} << 60) * fill.size());
  // Python puts the odd character to the left where the width is odd.
  const int64_t left = align == Align::kRight  ? missing
                       : align == Align::kLeft ? 0
                                               : missing / 2 + (missing & width & 1);
  std::string out;
  for (int64_t i = 0; i < left; i++) out += fill;
  out += *self.text();
  for (int64_t i = left; i < missing; i++) out += fill;
  return like(self, out);
}

Value zfill_method(Interpreter& in, const Value& self, const Arguments& arguments) {
  const Parameters given("zfill", arguments, {"width"}, 1);
  const std::string& text = *self.text();
  const size_t sign = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
  const int64_t missing = given.integer(0, 0) - static_cast<int64_t>(from_utf8(text).size());
  if (missing <= 0) return self;
  in.sandbox().bytes(static_cast<uint64_t>(missing));
  return like(self, text.substr(0, sign) + std::string(static_cast<size_t>(missing), '0') + text.substr(sign));
}

Value format_method(Interpreter& in, const Value& self, const Arguments& arguments) {
  struct Lookup : FieldLookup {
    explicit Lookup(Interpreter& its_interpreter) : interpreter(its_interpreter) {}
    Value attribute(const Value& object, std::string_view name) override { return interpreter.attribute(object, name); }
    Value item(const Value& object, const Value& key) override { return interpreter.item(object, key); }
    Interpreter& interpreter;
  } lookup(in);
  std::string out = brace_format(*self.text(), arguments, self.is_safe(), lookup, in.sandbox());
  in.sandbox().bytes(out.size());
  return like(self, out);
}

// Of all characters, of which there must be one.
template <bool (*one)(char32_t)>
Value all_are(Interpreter& in, const Value& self, const Arguments& arguments) {
  Parameters("the method", arguments, {});
  in.sandbox().steps(1 + self.text()->size() / 64);
  return Value(!self.text()->empty() && std::ranges::all_of(from_utf8(*self.text()), one));
}

bool is_alpha(char32_t c) {
  return char_class(c) == CharClass::kLetter;
}
bool is_digit(char32_t c) {
  return c < kRawByte && utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_ND;
}
bool is_numeric(char32_t c) {
  return char_class(c) == CharClass::kNumber;
}
bool is_alphanumeric(char32_t c) {
  return is_alpha(c) || is_numeric(c);
}
bool is_white(char32_t c) {
  return is_space(c);
}
bool is_ascii(char32_t c) {
  return c < 0x80;
}

Value islower_method(Interpreter& in, const Value& self, const Arguments& arguments) {
  return Value(find_test("lower")(in, self, arguments));
}
Value isupper_method(Interpreter& in, const Value& self, const Arguments& arguments) {
  return Value(find_test("upper")(in, self, arguments));
}
Value istitle_method(Interpreter&, const Value& self, const Arguments&) {
  const std::string& text = *self.text();
  return Value(title(text) == text && lower(text) != text);
}

// ---- lists and tuples

Value count_in_sequence(Interpreter& in, const Value& self, const Arguments& arguments) {
  const Parameters given("count", arguments, {"value"}, 1);
  int n = 0;
  for (const Value& value : self.sequence()->values) n += equal(value, *given[0], in.sandbox()) ? 1 : 0;
  return Value(n);
}

Value index_in_sequence(Interpreter& in, const Value& self, const Arguments& arguments) {
  const Parameters given("index", arguments, {"value"}, 1);
  const std::vector<Value>& values = self.sequence()->values;
  for (size_t i = 0; i < values.size(); i++) {
    if (equal(values[i], *given[0], in.sandbox())) return Value(i);
  }
  raise("{} is not in list", representation(*given[0], in.sandbox()));
}

Value copy_method(Interpreter&, const Value& self, const Arguments& arguments) {
  Parameters("copy", arguments, {});
  return self;
}

// ---- dicts

Value get_method(Interpreter&, const Value& self, const Arguments& arguments) {
  const Parameters given("get", arguments, {"key", "default"}, 1);
  if (const Value* value = self.dict()->find(*given[0])) return *value;
  return given[1] == nullptr ? Value() : *given[1];
}

template <SequenceType type>
Value view_method(Interpreter& in, const Value& self, const Arguments& arguments) {
  Parameters("the method", arguments, {});
  std::vector<Value> out;
  in.sandbox().bytes(self.dict()->entries().size() * 2 * sizeof(Value));
  for (const auto& [key, value] : self.dict()->entries())
    out.push_back(type == SequenceType::kKeys ? key : type == SequenceType::kValues ? value : make_tuple({key, value}));
  return Value(std::make_shared<const Sequence>(type, std::move(out)));
}

// ---- loop

Value cycle_method(Interpreter&, const Value& self, const Arguments& arguments) {
  if (arguments.positional.empty()) raise("no items for cycling given");
  return arguments.positional[self.object<Loop>()->index % arguments.positional.size()];
}

Value changed_in_loop(Interpreter& in, const Value& self, const Arguments& arguments) {
  auto* loop = self.object<Loop>();
  Value now = make_tuple(arguments.positional);
  if (loop->last_changed && equal(*loop->last_changed, now, in.sandbox())) return Value(false);
  if (loop->runs) loop->last_changed = std::move(now);
  return Value(true);
}

struct Entry {
  std::string_view name;
  Method::Run run;
};

constexpr Entry kTextMethods[] = {
    {"capitalize", changed_method<capitalize>},
    {"casefold", changed_method<casefolded>},
    {"center", padded_method<Align::kCenter>},
    {"count", count_in_text},
    {"endswith", starts_or_ends<true>},
    {"find", find_in_text<false, false>},
    {"format", format_method},
    {"index", find_in_text<false, true>},
    {"isalnum", all_are<is_alphanumeric>},
    {"isalpha", all_are<is_alpha>},
    {"isascii", all_are<is_ascii>},
    {"isdecimal", all_are<is_digit>},
    {"isdigit", all_are<is_digit>},
    {"islower", islower_method},
    {"isnumeric", all_are<is_numeric>},
    {"isspace", all_are<is_white>},
    {"istitle", istitle_method},
    {"isupper", isupper_method},
    {"join", join_method},
    {"ljust", padded_method<Align::kLeft>},
    {"lower", changed_method<lower>},
    {"lstrip", strip_method<Side::kLeft>},
    {"partition", partition_method<false>},
    {"removeprefix", without_affix<false>},
    {"removesuffix", without_affix<true>},
    {"replace", replace_method},
    {"rfind", find_in_text<true, false>},
    {"rindex", find_in_text<true, true>},
    {"rjust", padded_method<Align::kRight>},
    {"rpartition", partition_method<true>},
    {"rsplit", split_method<true>},
    {"rstrip", strip_method<Side::kRight>},
    {"split", split_method<false>},
    {"splitlines", splitlines_method},
    {"startswith", starts_or_ends<false>},
    {"strip", strip_method<Side::kBoth>},
    {"swapcase", changed_method<swapped_case>},
    {"title", changed_method<title>},
    {"upper", changed_method<upper>},
    {"zfill", zfill_method},
};

constexpr Entry kListMethods[] = {{"copy", copy_method}, {"count", count_in_sequence}, {"index", index_in_sequence}};

constexpr Entry kDictMethods[] = {
    {"copy", copy_method},
    {"get", get_method},
    {"items", view_method<SequenceType::kItems>},
    {"keys", view_method<SequenceType::kKeys>},
    {"values", view_method<SequenceType::kValues>},
};

constexpr Entry kLoopMethods[] = {{"changed", changed_in_loop}, {"cycle", cycle_method}};

constexpr std::string_view kForbiddenInLists[] = {"append", "clear",  "extend",  "insert",
                                                  "pop",    "remove", "reverse", "sort"};
constexpr std::string_view kForbiddenInDicts[] = {"clear", "pop", "popitem", "setdefault", "update"};

bool is_list(const Value& value) {
  return value.sequence() != nullptr && value.sequence()->type == SequenceType::kList;
}

template <size_t n>
Method::Run find_entry(const Entry (&entries)[n], std::string_view name) {
  for (const Entry& entry : entries) {
    if (entry.name == name) return entry.run;
  }
  return nullptr;
}

}  // namespace

Method::Run find_method(const Value& self, std::string_view name) {
  if (self.is_text()) return find_entry(kTextMethods, name);
  if (self.is_dict()) return find_entry(kDictMethods, name);
  if (self.object<Loop>() != nullptr) return find_entry(kLoopMethods, name);
  const Sequence* sequence = self.sequence();
  if (sequence == nullptr) return nullptr;
  const bool counts = sequence->type <= SequenceType::kTuple || sequence->type == SequenceType::kRange;
  if (!counts || (name == "copy" && !is_list(self))) return nullptr;
  return find_entry(kListMethods, name);
}

bool is_forbidden_method(const Value& self, std::string_view name) {
  if (self.is_dict()) return std::ranges::find(kForbiddenInDicts, name) != std::end(kForbiddenInDicts);
  return is_list(self) && std::ranges::find(kForbiddenInLists, name) != std::end(kForbiddenInLists);
}

}  // namespace nextn::jinja
