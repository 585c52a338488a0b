#include "text/jinja/builtins.h"

#include <fmt/core.h>
#include <utf8proc.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

namespace nextn::jinja {

namespace {

bool is_space(char32_t c) {
  return c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x1f) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

template <class Of>
std::string map_points(const std::string& s, const Of& of) {
  std::u32string points = decode(s);
  for (char32_t& c : points) c = static_cast<char32_t>(of(static_cast<utf8proc_int32_t>(c)));
  return encode(points);
}
std::string upper(const std::string& s) {
  return map_points(s, utf8proc_toupper);
}
std::string lower(const std::string& s) {
  return map_points(s, utf8proc_tolower);
}
std::string capitalize(const std::string& s) {
  const std::u32string points = decode(s);
  if (points.empty()) return s;
  return upper(encode(points.substr(0, 1))) + lower(encode(points.substr(1)));
}
bool is_letter(char32_t c) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}
bool is_digit(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_ND;
}
std::string title(const std::string& s) {
  std::u32string points = decode(s);
  bool first = true;
  for (char32_t& c : points) {
    c = static_cast<char32_t>(first ? utf8proc_toupper(static_cast<utf8proc_int32_t>(c))
                                    : utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
    first = is_space(c) || c == '-' || c == '(' || c == '[' || c == '{' || c == '<';
  }
  return encode(points);
}

std::string strip(const std::string& s, const Value* chars, bool left, bool right) {
  const std::u32string points = decode(s);
  const std::u32string set = chars != nullptr && chars->string() ? decode(*chars->string()) : std::u32string();
  const bool spaces = chars == nullptr || chars->is_none();
  const auto goes = [&](char32_t c) { return spaces ? is_space(c) : set.find(c) != std::u32string::npos; };
  size_t from = 0, to = points.size();
  while (left && from < to && goes(points[from])) from++;
  while (right && to > from && goes(points[to - 1])) to--;
  return encode(std::u32string_view(points).substr(from, to - from));
}

const std::string& string_of(const Value* value, const char* what) {
  if (value == nullptr || !value->string()) {
    throw fmt::format("{}: expected a string, found {}", what, value == nullptr ? "nothing" : value->type_name());
  }
  return *value->string();
}
int64_t int_of(const Value* value, int64_t other, const char* what) {
  int64_t i = other;
  if (value != nullptr && !value->is_none() && !value->to_int(&i)) {
    throw fmt::format("{}: expected a whole number, found {}", what, value->type_name());
  }
  return i;
}
bool flag(const Value* value, bool other = false) {
  return value == nullptr ? other : value->truth();
}

std::string replaced(const Sandbox& sandbox, const std::string& s, const std::string& from, const std::string& to,
                     int64_t most) {
  std::string out;
  size_t at = 0;
  if (from.empty()) {
    const std::u32string points = decode(s);
    for (size_t i = 0; i <= points.size(); i++) {
      if (most < 0 || static_cast<int64_t>(i) < most) out += to;
      if (i < points.size()) out += encode(points.substr(i, 1));
      sandbox.check_size(out.size());
    }
    return out;
  }
  for (size_t found; most != 0 && (found = s.find(from, at)) != std::string::npos; most--) {
    out.append(s, at, found - at);
    out += to;
    at = found + from.size();
    sandbox.check_size(out.size());
  }
  return out + s.substr(at);
}

List split(const std::string& s, const Value* separator, int64_t most, bool from_right) {
  List out;
  if (separator == nullptr || separator->is_none()) {
    const std::u32string points = decode(s);
    size_t at = 0;
    const auto skip = [&] {
      while (at < points.size() && is_space(points[at])) at++;
    };
    for (skip(); at < points.size(); skip()) {
      size_t end = at;
      if (most >= 0 && static_cast<int64_t>(out.size()) == most) {
        end = points.size();
        while (is_space(points[end - 1])) end--;
      } else {
        while (end < points.size() && !is_space(points[end])) end++;
      }
      out.push_back(encode(std::u32string_view(points).substr(at, end - at)));
      at = std::max(end, at);
      if (most >= 0 && static_cast<int64_t>(out.size()) == most + 1) break;
    }
    return out;
  }
  const std::string& by = string_of(separator, "split");
  if (by.empty()) throw std::string("split: expected a separator, found an empty one");
  std::vector<size_t> cuts;
  if (from_right) {
    for (size_t end = s.size(), at;
         most != 0 && (at = s.rfind(by, end - by.size())) != std::string::npos && end >= by.size(); most--) {
      cuts.insert(cuts.begin(), at);
      end = at;
    }
  } else {
    for (size_t at = 0; most != 0 && (at = s.find(by, at)) != std::string::npos; at += by.size(), most--)
      cuts.push_back(at);
  }
  size_t from = 0;
  for (const size_t cut : cuts) {
    out.push_back(s.substr(from, cut - from));
    from = cut + by.size();
  }
  out.push_back(s.substr(from));
  return out;
}

// '{} {name} {0}'.format(..), without conversions and format specifications.
std::string format(const Sandbox& sandbox, const std::string& s, const Arguments& arguments) {
  std::string out;
  size_t next = 0;
  for (size_t i = 0; i < s.size(); i++) {
    if ((s[i] == '{' || s[i] == '}') && i + 1 < s.size() && s[i + 1] == s[i]) {
      out += s[i++];
    } else if (s[i] == '{') {
      const size_t end = s.find('}', i);
      if (end == std::string::npos) throw std::string("format: expected '}'");
      const std::string name = s.substr(i + 1, end - i - 1);
      const Value* value = nullptr;
      if (name.empty()) {
        value = arguments.find(next++, "");
      } else if (std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; }) && name.size() < 6) {
        value = arguments.find(std::stoul(name), "");
      } else {
        value = arguments.find(SIZE_MAX, name);
      }
      if (value == nullptr) throw fmt::format("format: expected a value for '{{{}}}', found none", name);
      out += value->text();
      i = end;
    } else {
      out += s[i];
    }
    sandbox.check_size(out.size());
  }
  return out;
}

using StringMethod = Value (*)(const Sandbox&, const std::string&, const Arguments&);

bool all_points(const std::string& s, bool (*of)(char32_t)) {
  const std::u32string points = decode(s);
  return !points.empty() && std::ranges::all_of(points, of);
}
// A string, or any of a tuple.
bool any_affix(const Value* affix, const char* what, const std::function<bool(const std::string&)>& has) {
  if (affix != nullptr && affix->list()) {
    return std::ranges::any_of(*affix->list(), [&](const Value& one) { return has(string_of(&one, what)); });
  }
  return has(string_of(affix, what));
}
int64_t position(const std::string& s, size_t at) {
  return at == std::string::npos ? -1 : static_cast<int64_t>(decode(s.substr(0, at)).size());
}

const std::map<std::string, StringMethod>& string_methods() {
  using S = const Sandbox&;
  using T = const std::string&;
  using A = const Arguments&;
  static const std::map<std::string, StringMethod> methods = {
      {"strip", [](S, T s, A a) -> Value { return strip(s, a.find(0, "chars"), true, true); }},
      {"lstrip", [](S, T s, A a) -> Value { return strip(s, a.find(0, "chars"), true, false); }},
      {"rstrip", [](S, T s, A a) -> Value { return strip(s, a.find(0, "chars"), false, true); }},
      {"upper", [](S, T s, A) -> Value { return upper(s); }},
      {"lower", [](S, T s, A) -> Value { return lower(s); }},
      {"title", [](S, T s, A) -> Value { return title(s); }},
      {"capitalize", [](S, T s, A) -> Value { return capitalize(s); }},
      {"startswith",
       [](S, T s, A a) -> Value {
         return any_affix(a.find(0, "prefix"), "startswith", [&](T affix) { return s.starts_with(affix); });
       }},
      {"endswith",
       [](S, T s, A a) -> Value {
         return any_affix(a.find(0, "suffix"), "endswith", [&](T affix) { return s.ends_with(affix); });
       }},
      {"removeprefix",
       [](S, T s, A a) -> Value {
         const std::string& affix = string_of(a.find(0, "prefix"), "removeprefix");
         return s.starts_with(affix) ? s.substr(affix.size()) : s;
       }},
      {"removesuffix",
       [](S, T s, A a) -> Value {
         const std::string& affix = string_of(a.find(0, "suffix"), "removesuffix");
         return s.ends_with(affix) ? s.substr(0, s.size() - affix.size()) : s;
       }},
      {"replace",
       [](S sandbox, T s, A a) -> Value {
         return replaced(sandbox, s, string_of(a.find(0, "old"), "replace"), string_of(a.find(1, "new"), "replace"),
                         int_of(a.find(2, "count"), -1, "replace"));
       }},
      {"split",
       [](S, T s, A a) -> Value {
         return split(s, a.find(0, "sep"), int_of(a.find(1, "maxsplit"), -1, "split"), false);
       }},
      {"rsplit",
       [](S, T s, A a) -> Value {
         const int64_t most = int_of(a.find(1, "maxsplit"), -1, "rsplit");
         const Value* by = a.find(0, "sep");
         if (most >= 0 && (by == nullptr || by->is_none())) throw std::string("rsplit: expected a separator");
         return split(s, by, most, true);
       }},
      {"splitlines",
       [](S, T s, A) -> Value {
         List lines;
         for (size_t at = 0; at < s.size();) {
           const size_t end = std::min(s.find_first_of("\n\r", at), s.size());
           lines.push_back(s.substr(at, end - at));
           at = end + (s.compare(end, 2, "\r\n") == 0 ? 2 : 1);
         }
         return lines;
       }},
      {"join",
       [](S sandbox, T s, A a) -> Value {
         std::string out;
         if (a.positional.empty()) throw std::string("join: expected a list, found nothing");
         const List items = elements(a.positional[0]);
         for (size_t i = 0; i < items.size(); i++) {
           if (i > 0) out += s;
           out += string_of(&items[i], "join");
           sandbox.check_size(out.size());
         }
         return out;
       }},
      {"find", [](S, T s, A a) -> Value { return position(s, s.find(string_of(a.find(0, "sub"), "find"))); }},
      {"rfind", [](S, T s, A a) -> Value { return position(s, s.rfind(string_of(a.find(0, "sub"), "rfind"))); }},
      {"count",
       [](S, T s, A a) -> Value {
         const std::string& part = string_of(a.find(0, "sub"), "count");
         int64_t n = 0;
         if (part.empty()) return decode(s).size() + 1;
         for (size_t at = 0; (at = s.find(part, at)) != std::string::npos; at += part.size()) n++;
         return n;
       }},
      {"format", [](S sandbox, T s, A a) -> Value { return format(sandbox, s, a); }},
      {"isdigit", [](S, T s, A) -> Value { return all_points(s, is_digit); }},
      {"isalpha", [](S, T s, A) -> Value { return all_points(s, is_letter); }},
      {"isalnum",
       [](S, T s, A) -> Value { return all_points(s, [](char32_t c) { return is_letter(c) || is_digit(c); }); }},
      {"isspace", [](S, T s, A) -> Value { return all_points(s, is_space); }},
      {"isupper", [](S, T s, A) -> Value { return upper(s) == s && lower(s) != s; }},
      {"islower", [](S, T s, A) -> Value { return lower(s) == s && upper(s) != s; }},
  };
  return methods;
}

// ------------------------------------------------------------------------------------------------ filters

Value key_of(const Value& item, const Value* attribute, bool ignore_case) {
  Value key = attribute == nullptr || attribute->is_none() ? item : look_up(item, attribute->text());
  return ignore_case && key.string() ? Value(lower(*key.string())) : key;
}

List sorted(List items, const Value* attribute, bool ignore_case, bool reverse) {
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& item : items) keyed.emplace_back(key_of(item, attribute, ignore_case), std::move(item));
  // std::sort's comparison must not throw in its middle: whether all have an order is known before.
  for (size_t i = 1; i < keyed.size(); i++) compare(keyed[0].first, keyed[i].first);
  std::ranges::stable_sort(keyed, [&](const auto& a, const auto& b) {
    return reverse ? compare(b.first, a.first) < 0 : compare(a.first, b.first) < 0;
  });
  items.clear();
  for (auto& [key, item] : keyed) items.push_back(std::move(item));
  return items;
}

Value most(const Value& value, const Arguments& a, int sign) {
  const List items = elements(value);
  const bool ignore_case = !flag(a.find(0, "case_sensitive"));
  const Value* best = nullptr;
  for (const Value& item : items) {
    if (best == nullptr || sign * compare(key_of(item, a.find(1, "attribute"), ignore_case),
                                          key_of(*best, a.find(1, "attribute"), ignore_case)) >
                               0) {
      best = &item;
    }
  }
  return best == nullptr ? Value() : *best;
}

// select, reject (by_attribute: selectattr, rejectattr)
List selected(const Value& value, const Arguments& a, bool by_attribute, bool keep) {
  List out;
  const size_t first = by_attribute ? 1 : 0;
  if (a.positional.size() < first) throw std::string("selectattr: expected the name of an attribute");
  Arguments rest;
  for (size_t i = first + 1; i < a.positional.size(); i++) rest.positional.push_back(a.positional[i]);
  for (const Value& item : elements(value)) {
    const Value subject = by_attribute ? look_up(item, a.positional[0].text()) : item;
    const bool is =
        a.positional.size() > first ? apply_test(a.positional[first].text(), subject, rest) : subject.truth();
    if (is == keep) out.push_back(item);
  }
  return out;
}

List mapped(const Sandbox& sandbox, const Value& value, const Arguments& a) {
  List out;
  const Value* const attribute = a.find(SIZE_MAX, "attribute");
  const Value* const other = a.find(SIZE_MAX, "default");
  if (attribute == nullptr && a.positional.empty()) throw std::string("map: expected a filter or attribute=");
  Arguments rest;
  rest.named = a.named;
  for (size_t i = 1; i < a.positional.size(); i++) rest.positional.push_back(a.positional[i]);
  for (const Value& item : elements(value)) {
    if (attribute == nullptr) {
      out.push_back(apply_filter(sandbox, a.positional[0].text(), item, rest));
      continue;
    }
    Value found = look_up(item, attribute->text());
    out.push_back(found.is_undefined() && other != nullptr ? *other : std::move(found));
  }
  return out;
}

std::string indented(const Sandbox& sandbox, const std::string& s, const Arguments& a) {
  const Value* width = a.find(0, "width");
  const std::string by =
      width != nullptr && width->string()
          ? *width->string()
          : std::string(static_cast<size_t>(std::clamp<int64_t>(int_of(width, 4, "indent"), 0, 1000)), ' ');
  const bool first = flag(a.find(1, "first")), blank = flag(a.find(2, "blank"));
  std::string out;
  size_t at = 0;
  for (size_t line = 0; at <= s.size(); line++) {
    const size_t end = std::min(s.find('\n', at), s.size());
    if ((line > 0 || first) && (blank || end > at)) out += by;
    out.append(s, at, end - at);
    if (end < s.size()) out += '\n';
    at = end + 1;
    sandbox.check_size(out.size());
  }
  return out;
}

Value to_int(const Value& value, const Value& other) {
  int64_t i = 0;
  if (value.to_int(&i)) return i;
  if (const double* d = value.get<double>()) {
    return std::abs(*d) < 9e18 ? Value(static_cast<int64_t>(*d)) : other;
  }
  if (!value.string()) return other;
  const std::string s = strip(*value.string(), nullptr, true, true);
  double d = 0;
  const char* const from = s.data() + (s.starts_with('+') ? 1 : 0);
  if (const auto r = std::from_chars(from, s.data() + s.size(), i); r.ec == std::errc() && r.ptr == s.data() + s.size())
    return i;
  const auto r = std::from_chars(from, s.data() + s.size(), d);
  if (r.ec == std::errc() && r.ptr == s.data() + s.size() && std::abs(d) < 9e18) return static_cast<int64_t>(d);
  return other;
}

Value to_float(const Value& value, const Value& other) {
  double d = 0;
  if (value.to_double(&d)) return d;
  if (!value.string()) return other;
  const std::string s = strip(*value.string(), nullptr, true, true);
  const char* const from = s.data() + (s.starts_with('+') ? 1 : 0);
  const auto r = std::from_chars(from, s.data() + s.size(), d);
  return r.ec == std::errc() && r.ptr == s.data() + s.size() ? Value(d) : other;
}

Value rounded(const Value& value, const Arguments& a) {
  double d;
  if (!value.to_double(&d)) throw fmt::format("round: expected a number, found {}", value.type_name());
  const int64_t precision = std::clamp<int64_t>(int_of(a.find(0, "precision"), 0, "round"), -15, 15);
  const Value* method = a.find(1, "method");
  const std::string how = method == nullptr ? "common" : method->text();
  const double scale = std::pow(10.0, static_cast<double>(precision));
  if (how == "ceil") return std::ceil(d * scale) / scale;
  if (how == "floor") return std::floor(d * scale) / scale;
  return std::nearbyint(d * scale) / scale;  // halves to even, as Python's round
}

std::string escaped(const std::string& s) {
  std::string out;
  for (const char c : s) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

Value length(const Value& value) {
  if (const std::string* s = value.string()) return decode(*s).size();
  if (const List* l = value.list()) return l->size();
  if (const Dict* d = value.dict(); d != nullptr && !d->is_namespace) return d->entries.size();
  if (value.is_undefined()) return 0;
  throw fmt::format("length: expected a string, a list or a dict, found {}", value.type_name());
}

List items_of(const Dict& dict) {
  List out;
  for (const auto& [key, item] : dict.entries) out.push_back(Tuple{{key, item}});
  return out;
}

using Filter = Value (*)(const Sandbox&, const Value&, const Arguments&);

const std::map<std::string, Filter>& filters() {
  using S = const Sandbox&;
  using V = const Value&;
  using A = const Arguments&;
  static const std::map<std::string, Filter> all = {
      {"tojson",
       [](S, V v, A a) -> Value {
         const Value* indent = a.find(1, "indent");
         if (a.positional.size() == 1) indent = &a.positional[0];
         const bool none = indent == nullptr || indent->is_none();
         return to_json(v, none ? -1 : static_cast<int>(std::clamp<int64_t>(int_of(indent, 0, "tojson"), 0, 64)),
                        flag(a.find(SIZE_MAX, "sort_keys")));
       }},
      {"from_json",
       [](S, V v, A) -> Value {
         const auto json = parse_json(string_of(&v, "from_json"));
         if (json.is_discarded()) throw std::string("from_json: expected JSON of a hundred levels at most");
         return Value::of(json);
       }},
      {"length", [](S, V v, A) -> Value { return length(v); }},
      {"count", [](S, V v, A) -> Value { return length(v); }},
      {"string", [](S, V v, A) -> Value { return v.text(); }},
      {"safe", [](S, V v, A) -> Value { return v; }},
      {"escape", [](S, V v, A) -> Value { return escaped(v.text()); }},
      {"e", [](S, V v, A) -> Value { return escaped(v.text()); }},
      {"trim", [](S, V v, A a) -> Value { return strip(v.text(), a.find(0, "chars"), true, true); }},
      {"upper", [](S, V v, A) -> Value { return upper(v.text()); }},
      {"lower", [](S, V v, A) -> Value { return lower(v.text()); }},
      {"title", [](S, V v, A) -> Value { return title(v.text()); }},
      {"capitalize", [](S, V v, A) -> Value { return capitalize(v.text()); }},
      {"indent", [](S sandbox, V v, A a) -> Value { return indented(sandbox, v.text(), a); }},
      {"replace",
       [](S sandbox, V v, A a) -> Value {
         const Value *from = a.find(0, "old"), *to = a.find(1, "new");
         if (from == nullptr || to == nullptr) throw std::string("replace: expected what to replace, and by what");
         return replaced(sandbox, v.text(), from->text(), to->text(), int_of(a.find(2, "count"), -1, "replace"));
       }},
      {"default",
       [](S, V v, A a) -> Value {
         const Value* other = a.find(0, "default_value");
         const bool missing = v.is_undefined() || (flag(a.find(1, "boolean")) && !v.truth());
         return !missing ? v : other == nullptr ? Value("") : *other;
       }},
      {"items",
       [](S, V v, A) -> Value {
         if (v.is_undefined()) return List();
         if (v.dict() == nullptr) throw fmt::format("items: expected a dict, found {}", v.type_name());
         return items_of(*v.dict());
       }},
      {"dictsort",
       [](S, V v, A a) -> Value {
         if (v.dict() == nullptr) throw fmt::format("dictsort: expected a dict, found {}", v.type_name());
         const Value* by = a.find(1, "by");
         const Value index = by != nullptr && by->text() == "value" ? "1" : "0";
         return sorted(items_of(*v.dict()), &index, !flag(a.find(0, "case_sensitive")), flag(a.find(2, "reverse")));
       }},
      {"list", [](S, V v, A) -> Value { return elements(v); }},
      {"first",
       [](S, V v, A) -> Value {
         const List items = elements(v);
         return items.empty() ? Value() : items.front();
       }},
      {"last",
       [](S, V v, A) -> Value {
         const List items = elements(v);
         return items.empty() ? Value() : items.back();
       }},
      {"reverse",
       [](S, V v, A) -> Value {
         List items = elements(v);
         std::ranges::reverse(items);
         if (!v.string()) return items;
         std::string out;
         for (const Value& item : items) out += *item.string();
         return out;
       }},
      {"join",
       [](S sandbox, V v, A a) -> Value {
         const Value *by = a.find(0, "d"), *attribute = a.find(1, "attribute");
         std::string out;
         bool first = true;
         for (const Value& item : elements(v)) {
           if (!std::exchange(first, false) && by != nullptr) out += by->text();
           out += attribute == nullptr ? item.text() : look_up(item, attribute->text()).text();
           sandbox.check_size(out.size());
         }
         return out;
       }},
      {"select", [](S, V v, A a) -> Value { return selected(v, a, false, true); }},
      {"reject", [](S, V v, A a) -> Value { return selected(v, a, false, false); }},
      {"selectattr", [](S, V v, A a) -> Value { return selected(v, a, true, true); }},
      {"rejectattr", [](S, V v, A a) -> Value { return selected(v, a, true, false); }},
      {"map", [](S sandbox, V v, A a) -> Value { return mapped(sandbox, v, a); }},
      {"sort",
       [](S, V v, A a) -> Value {
         return sorted(elements(v), a.find(2, "attribute"), !flag(a.find(1, "case_sensitive")),
                       flag(a.find(0, "reverse")));
       }},
      {"unique",
       [](S, V v, A a) -> Value {
         List out, keys;
         for (const Value& item : elements(v)) {
           Value key = key_of(item, a.find(1, "attribute"), !flag(a.find(0, "case_sensitive")));
           if (std::ranges::find(keys, key) != keys.end()) continue;
           keys.push_back(std::move(key));
           out.push_back(item);
         }
         return out;
       }},
      {"min", [](S, V v, A a) -> Value { return most(v, a, -1); }},
      {"max", [](S, V v, A a) -> Value { return most(v, a, 1); }},
      {"sum",
       [](S, V v, A a) -> Value {
         double sum = 0, d = 0;
         bool whole = true;
         for (const Value& item : elements(v)) {
           const Value term = key_of(item, a.find(0, "attribute"), false);
           if (!term.to_double(&d)) throw fmt::format("sum: expected numbers, found {}", term.type_name());
           whole &= term.get<double>() == nullptr;
           sum += d;
         }
         return whole ? Value(static_cast<int64_t>(sum)) : Value(sum);
       }},
      {"int", [](S, V v, A a) -> Value { return to_int(v, a.find(0, "default") ? *a.find(0, "default") : Value(0)); }},
      {"float",
       [](S, V v, A a) -> Value { return to_float(v, a.find(0, "default") ? *a.find(0, "default") : Value(0.0)); }},
      {"abs",
       [](S, V v, A) -> Value {
         if (const double* d = v.get<double>()) return std::abs(*d);
         int64_t i = 0;
         if (!v.to_int(&i) || i == INT64_MIN) throw fmt::format("abs: expected a number, found {}", v.type_name());
         return i < 0 ? -i : i;
       }},
      {"round", [](S, V v, A a) -> Value { return rounded(v, a); }},
  };
  return all;
}

bool is_iterable(const Value& v) {
  return v.string() || v.list() || v.is_undefined() || (v.dict() && !v.dict()->is_namespace);
}

}  // namespace

Value apply_filter(const Sandbox& sandbox, const std::string& name, const Value& value, const Arguments& arguments) {
  const auto filter = filters().find(name == "d" ? "default" : name);
  if (filter == filters().end()) throw fmt::format("expected a filter that there is, found '{}'", name);
  return filter->second(sandbox, value, arguments);
}

bool apply_test(const std::string& name, const Value& v, const Arguments& a) {
  const auto other = [&]() -> const Value& {
    if (a.positional.empty()) throw fmt::format("is {}: expected something to compare with", name);
    return a.positional[0];
  };
  const auto whole = [&](const Value& value) {
    int64_t i;
    if (!value.to_int(&i)) throw fmt::format("is {}: expected a whole number, found {}", name, value.type_name());
    return i;
  };
  if (name == "defined") return !v.is_undefined();
  if (name == "undefined") return v.is_undefined();
  if (name == "none") return v.is_none();
  if (name == "string") return v.string() != nullptr;
  if (name == "mapping") return v.dict() != nullptr && !v.dict()->is_namespace;
  if (name == "iterable") return is_iterable(v);
  if (name == "sequence") return is_iterable(v);
  if (name == "boolean") return v.get<bool>() != nullptr;
  if (name == "true") return v.get<bool>() && *v.get<bool>();
  if (name == "false") return v.get<bool>() && !*v.get<bool>();
  if (name == "integer") return v.get<int64_t>() != nullptr;
  if (name == "float") return v.get<double>() != nullptr;
  if (name == "number") return v.is_number();
  if (name == "callable") return v.function() != nullptr;
  if (name == "odd") return whole(v) % 2 != 0;
  if (name == "even") return whole(v) % 2 == 0;
  if (name == "divisibleby") {
    const int64_t by = whole(other());
    if (by == 0) throw std::string("is divisibleby: expected a number other than 0");
    return by == -1 || whole(v) % by == 0;
  }
  if (name == "lower") return lower(v.text()) == v.text() && upper(v.text()) != v.text();
  if (name == "upper") return upper(v.text()) == v.text() && lower(v.text()) != v.text();
  if (name == "in") return contains(other(), v);
  if (name == "eq" || name == "equalto" || name == "==") return v == other();
  if (name == "ne" || name == "!=") return !(v == other());
  if (name == "lt" || name == "lessthan" || name == "<") return compare(v, other()) < 0;
  if (name == "le" || name == "<=") return compare(v, other()) <= 0;
  if (name == "gt" || name == "greaterthan" || name == ">") return compare(v, other()) > 0;
  if (name == "ge" || name == ">=") return compare(v, other()) >= 0;
  if (name == "sameas") {
    if (v.list() || v.dict()) return v.list() == other().list() && v.dict() == other().dict();
    return std::string(v.type_name()) == other().type_name() && v == other();
  }
  throw fmt::format("expected a test that there is, found '{}'", name);
}

Value method_of(const Sandbox& sandbox, const Value& value, const std::string& name) {
  if (value.string()) {
    const auto method = string_methods().find(name);
    if (method == string_methods().end()) return {};
    return Function(
        [sandbox, s = *value.string(), run = method->second](const Arguments& a) { return run(sandbox, s, a); });
  }
  if (const Dict* d = value.dict(); d != nullptr && !d->is_namespace) {
    // The value is held, so that the dict lives as long as its method.
    if (name == "items") return Function([value](const Arguments&) -> Value { return items_of(*value.dict()); });
    if (name == "keys" || name == "values") {
      return Function([value, keys = name == "keys"](const Arguments&) -> Value {
        List out;
        for (const auto& [key, item] : value.dict()->entries) out.push_back(keys ? key : item);
        return out;
      });
    }
    if (name == "get") {
      return Function([value](const Arguments& a) -> Value {
        const Value *key = a.find(0, "key"), *other = a.find(1, "default");
        const Value* found = key == nullptr ? nullptr : value.dict()->find(*key);
        return found != nullptr ? *found : other != nullptr ? *other : Value(None{});
      });
    }
    for (const char* changing : {"update", "pop", "popitem", "setdefault", "clear"}) {
      if (name == changing) throw fmt::format("'{}' would change a dict, which a template may not", name);
    }
  }
  if (value.list()) {
    if (name == "index" || name == "count") {
      return Function([value, index = name == "index"](const Arguments& a) -> Value {
        int64_t n = 0;
        const List& list = *value.list();
        if (a.positional.empty()) throw std::string("expected something to look for");
        for (size_t i = 0; i < list.size(); i++) {
          if (!(list[i] == a.positional[0])) continue;
          if (index) return i;
          n++;
        }
        if (index) throw std::string("index: expected an element of the list");
        return n;
      });
    }
    for (const char* changing : {"append", "extend", "insert", "pop", "remove", "clear", "sort", "reverse"}) {
      if (name == changing) throw fmt::format("'{}' would change a list, which a template may not", name);
    }
  }
  return {};
}

List elements(const Value& value) {
  if (const List* l = value.list()) return *l;
  List out;
  if (const std::string* s = value.string()) {
    for (const char32_t c : decode(*s)) out.push_back(encode(std::u32string(1, c)));
  } else if (const Dict* d = value.dict(); d != nullptr && !d->is_namespace) {
    for (const auto& [key, item] : d->entries) out.push_back(key);
  } else if (!value.is_undefined()) {
    throw fmt::format("expected something to go over, found {}", value.type_name());
  }
  return out;
}

bool contains(const Value& container, const Value& item) {
  if (const std::string* s = container.string()) {
    if (!item.string()) throw fmt::format("in: expected a string in a string, found {}", item.type_name());
    return s->find(*item.string()) != std::string::npos;
  }
  if (const Dict* d = container.dict(); d != nullptr && !d->is_namespace) return d->find(item) != nullptr;
  if (const List* l = container.list()) return std::ranges::find(*l, item) != l->end();
  if (container.is_undefined()) return false;
  throw fmt::format("in: expected a list, a dict or a string, found {}", container.type_name());
}

Value look_up(const Value& value, const std::string& path) {
  Value at = value;
  for (size_t from = 0; from <= path.size();) {
    const size_t end = std::min(path.find('.', from), path.size());
    const std::string name = path.substr(from, end - from);
    const Value* found = nullptr;
    size_t index = 0;
    if (const Undefined* u = at.get<Undefined>())
      throw fmt::format("'{}' is undefined, and has no '{}'", u->name, name);
    if (const Dict* d = at.dict()) {
      found = d->find(Value(name));
    } else if (const List* l = at.list();
               l != nullptr && std::from_chars(name.data(), name.data() + name.size(), index).ec == std::errc() &&
               index < l->size()) {
      found = &(*l)[index];
    }
    Value next = found == nullptr ? Value(Undefined{name}) : *found;
    at = std::move(next);
    from = end + 1;
  }
  return at;
}

}  // namespace nextn::jinja
