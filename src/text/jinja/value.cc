#include "text/jinja/value.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace nextn::jinja {

namespace {

constexpr int kMaxDepth = 100;  // of what is printed or compared

std::string of_double(double d) {
  if (std::isnan(d)) return "nan";
  if (std::isinf(d)) return d < 0 ? "-inf" : "inf";
  std::string s = fmt::format("{}", d);
  if (s.find_first_of(".e") == std::string::npos) s += ".0";
  return s;
}

// As Python writes a string literal.
void print_quoted(std::string& out, const std::string& s) {
  const char quote = s.find('\'') != std::string::npos && s.find('"') == std::string::npos ? '"' : '\'';
  out += quote;
  for (const char c : s) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\\' || c == quote) {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  out += quote;
}

void print_json_string(std::string& out, const std::string& s) {
  out += '"';
  for (const char c : s) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

void print_json(std::string& out, const Value& value, int indent, bool sort_keys, int depth) {
  if (depth > kMaxDepth) throw std::string("tojson: nested too deeply");
  const auto new_line = [&](int level) {
    if (indent < 0) return;
    out += '\n';
    out.append(static_cast<size_t>(indent * level), ' ');
  };
  const char* const comma = indent < 0 ? ", " : ",";
  if (value.is_none()) {
    out += "null";
  } else if (const bool* b = value.get<bool>()) {
    out += *b ? "true" : "false";
  } else if (const double* d = value.get<double>()) {
    out += std::isnan(*d) ? "NaN" : std::isinf(*d) ? (*d < 0 ? "-Infinity" : "Infinity") : of_double(*d);
  } else if (value.get<int64_t>()) {
    out += value.text();
  } else if (const std::string* s = value.string()) {
    print_json_string(out, *s);
  } else if (const List* list = value.list()) {
    if (list->empty()) {
      out += "[]";
      return;
    }
    out += '[';
    for (size_t i = 0; i < list->size(); i++) {
      if (i > 0) out += comma;
      new_line(depth + 1);
      print_json(out, (*list)[i], indent, sort_keys, depth + 1);
    }
    new_line(depth);
    out += ']';
  } else if (const Dict* dict = value.dict(); dict != nullptr && !dict->is_namespace) {
    if (dict->entries.empty()) {
      out += "{}";
      return;
    }
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : dict->entries) entries.push_back(&entry);
    if (sort_keys) {
      std::ranges::stable_sort(entries, [](const auto* a, const auto* b) { return compare(a->first, b->first) < 0; });
    }
    out += '{';
    for (size_t i = 0; i < entries.size(); i++) {
      if (i > 0) out += comma;
      new_line(depth + 1);
      const Value& key = entries[i]->first;
      std::string name;
      if (key.string()) {
        name = *key.string();
      } else {
        print_json(name, key, -1, false, depth + 1);  // None, True, 1
      }
      print_json_string(out, name);
      out += ": ";
      print_json(out, entries[i]->second, indent, sort_keys, depth + 1);
    }
    new_line(depth);
    out += '}';
  } else {
    throw std::string("tojson: expected a value that JSON has, found ") + value.type_name();
  }
}

}  // namespace

const Value* Dict::find(const Value& key) const noexcept {
  for (const auto& [k, v] : entries) {
    if (k == key) return &v;
  }
  return nullptr;
}

void Dict::set(Value key, Value value) {
  for (auto& [k, v] : entries) {
    if (!(k == key)) continue;
    v = std::move(value);
    return;
  }
  entries.emplace_back(std::move(key), std::move(value));
}

const Value* Arguments::find(size_t i, std::string_view name) const noexcept {
  if (i < positional.size()) return &positional[i];
  for (const auto& [n, v] : named) {
    if (n == name) return &v;
  }
  return nullptr;
}

Value::Value(Tuple tuple) : data_(std::make_shared<Tuple>(std::move(tuple))) {}

List* Value::list() const noexcept {
  if (Tuple* tuple = of_shared<Tuple>()) return &tuple->items;
  return of_shared<List>();
}

Value Value::of(const nlohmann::ordered_json& json) {
  switch (json.type()) {
    case nlohmann::json::value_t::null:
      return None{};
    case nlohmann::json::value_t::boolean:
      return json.get<bool>();
    case nlohmann::json::value_t::number_integer:
      return json.get<int64_t>();
    case nlohmann::json::value_t::number_unsigned:
      return json.get<uint64_t>() <= INT64_MAX ? Value(json.get<int64_t>()) : Value(json.get<double>());
    case nlohmann::json::value_t::number_float:
      return json.get<double>();
    case nlohmann::json::value_t::string:
      return json.get<std::string>();
    case nlohmann::json::value_t::array: {
      List list;
      for (const auto& item : json) list.push_back(of(item));
      return list;
    }
    case nlohmann::json::value_t::object: {
      Dict dict;
      for (const auto& [key, item] : json.items()) dict.entries.emplace_back(Value(key), of(item));
      return dict;
    }
    default:
      return {};
  }
}

bool Value::to_int(int64_t* out) const noexcept {
  if (const int64_t* i = get<int64_t>()) {
    *out = *i;
  } else if (const bool* b = get<bool>()) {
    *out = *b;
  } else {
    return false;
  }
  return true;
}

bool Value::to_double(double* out) const noexcept {
  int64_t i;
  if (const double* d = get<double>()) {
    *out = *d;
  } else if (to_int(&i)) {
    *out = static_cast<double>(i);
  } else {
    return false;
  }
  return true;
}

bool Value::truth() const noexcept {
  if (double d; to_double(&d)) return d != 0;
  if (const std::string* s = string()) return !s->empty();
  if (const List* l = list()) return !l->empty();
  if (const Dict* d = dict()) return d->is_namespace || !d->entries.empty();
  return function() != nullptr;
}

void Value::print(std::string& out, bool quoted, int depth) const {
  if (depth > kMaxDepth) {
    out += "...";
  } else if (is_none()) {
    out += "None";
  } else if (const bool* b = get<bool>()) {
    out += *b ? "True" : "False";
  } else if (const int64_t* i = get<int64_t>()) {
    out += fmt::format("{}", *i);
  } else if (const double* d = get<double>()) {
    out += of_double(*d);
  } else if (const std::string* s = string()) {
    if (quoted) {
      print_quoted(out, *s);
    } else {
      out += *s;
    }
  } else if (const List* l = list()) {
    const bool tuple = of_shared<Tuple>() != nullptr;
    out += tuple ? '(' : '[';
    for (size_t at = 0; at < l->size(); at++) {
      if (at > 0) out += ", ";
      (*l)[at].print(out, true, depth + 1);
    }
    out += !tuple ? "]" : l->size() == 1 ? ",)" : ")";
  } else if (const Dict* dictionary = dict()) {
    out += '{';
    for (size_t at = 0; at < dictionary->entries.size(); at++) {
      if (at > 0) out += ", ";
      dictionary->entries[at].first.print(out, true, depth + 1);
      out += ": ";
      dictionary->entries[at].second.print(out, true, depth + 1);
    }
    out += '}';
  } else if (function()) {
    out += "<function>";
  } else if (quoted) {
    out += "Undefined";
  }
}

std::string Value::text() const {
  std::string out;
  print(out, false, 0);
  return out;
}

std::string Value::repr() const {
  std::string out;
  print(out, true, 0);
  return out;
}

const char* Value::type_name() const noexcept {
  if (is_undefined()) return "Undefined";
  if (is_none()) return "NoneType";
  if (get<bool>()) return "bool";
  if (get<int64_t>()) return "int";
  if (get<double>()) return "float";
  if (string()) return "str";
  if (of_shared<Tuple>()) return "tuple";
  if (list()) return "list";
  if (const Dict* d = dict()) return d->is_namespace ? "Namespace" : "dict";
  return "function";
}

bool Value::operator==(const Value& other) const noexcept {
  double a, b;
  if (to_double(&a) && other.to_double(&b)) {
    int64_t i, j;
    return to_int(&i) && other.to_int(&j) ? i == j : a == b;
  }
  if (data_.index() != other.data_.index()) return false;
  if (const std::string* s = string()) return *s == *other.string();
  if (list()) return list() == other.list() || *list() == *other.list();
  if (const Dict* d = dict()) {
    const Dict* o = other.dict();
    if (d == o) return true;
    if (d->is_namespace || o->is_namespace || d->entries.size() != o->entries.size()) return false;
    return std::ranges::all_of(d->entries, [&](const auto& entry) {
      const Value* found = o->find(entry.first);
      return found != nullptr && *found == entry.second;
    });
  }
  return is_none() || is_undefined() || function() == other.function();
}

int compare(const Value& a, const Value& b) {
  double x, y;
  if (a.to_double(&x) && b.to_double(&y)) return x < y ? -1 : x > y;
  if (a.string() && b.string()) return a.string()->compare(*b.string());  // UTF-8 keeps the order of code points
  if (a.list() && b.list()) {
    const List &l = *a.list(), &m = *b.list();
    for (size_t i = 0; i < std::min(l.size(), m.size()); i++) {
      if (!(l[i] == m[i])) return compare(l[i], m[i]);
    }
    return l.size() < m.size() ? -1 : l.size() > m.size();
  }
  throw fmt::format("expected values that have an order, found {} and {}", a.type_name(), b.type_name());
}

std::string to_json(const Value& value, int indent, bool sort_keys) {
  std::string out;
  print_json(out, value, indent, sort_keys, 0);
  return out;
}

nlohmann::ordered_json parse_json(std::string_view text) {
  using Json = nlohmann::ordered_json;
  bool deep = false;
  const auto within = [&](int depth, Json::parse_event_t, Json&) {
    deep |= depth > kMaxDepth;
    return depth <= kMaxDepth;
  };
  Json json = Json::parse(text, within, false);
  return deep ? Json(Json::value_t::discarded) : json;
}

std::u32string decode(std::string_view text) {
  std::u32string out;
  for (size_t i = 0; i < text.size();) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    const size_t n = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    char32_t code = n == 1 ? c : c & (0xFF >> (n + 1));
    for (size_t j = 1; j < n; j++) code = code << 6 | (i + j < text.size() ? text[i + j] & 0x3F : 0);
    out += code;
    i += n;
  }
  return out;
}

std::string encode(std::u32string_view text) {
  std::string out;
  for (const char32_t c : text) {
    const auto tail = [&](int shift) { out += static_cast<char>(0x80 | (c >> shift & 0x3F)); };
    if (c < 0x80) {
      out += static_cast<char>(c);
    } else if (c < 0x800) {
      out += static_cast<char>(0xC0 | c >> 6);
      tail(0);
    } else if (c < 0x10000) {
      out += static_cast<char>(0xE0 | c >> 12);
      tail(6);
      tail(0);
    } else {
      out += static_cast<char>(0xF0 | c >> 18);
      tail(12);
      tail(6);
      tail(0);
    }
  }
  return out;
}

}  // namespace nextn::jinja
