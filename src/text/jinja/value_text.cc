// Values as Python writes them: str(), repr() and json.dumps().
#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/jinja/strings.h"
#include "text/jinja/value.h"
#include "text/tokenizer/unicode.h"

namespace nextn::jinja {

namespace {

// Appends to `out` and asks the sandbox for every byte.
class Writer {
 public:
  Writer(std::string& out, Sandbox& sandbox) : out_(out), sandbox_(sandbox) {}

  void put(std::string_view text) {
    sandbox_.bytes(text.size());
    out_ += text;
  }
  Sandbox& sandbox() const noexcept { return sandbox_; }

 private:
  std::string& out_;
  Sandbox& sandbox_;
};

void write_representation(const Value& value, Writer& out);

void write_items(const std::vector<Value>& values, std::string_view open, std::string_view close, Writer& out) {
  out.put(open);
  for (size_t i = 0; i < values.size(); i++) {
    if (i > 0) out.put(", ");
    write_representation(values[i], out);
  }
  out.put(close);
}

void write_sequence(const Sequence& sequence, Writer& out) {
  switch (sequence.type) {
    case SequenceType::kList:
      return write_items(sequence.values, "[", "]", out);
    case SequenceType::kTuple:
      return write_items(sequence.values, "(", sequence.values.size() == 1 ? ",)" : ")", out);
    case SequenceType::kKeys:
      return write_items(sequence.values, "dict_keys([", "])", out);
    case SequenceType::kValues:
      return write_items(sequence.values, "dict_values([", "])", out);
    case SequenceType::kItems:
      return write_items(sequence.values, "dict_items([", "])", out);
    case SequenceType::kRange:
      out.put("range(" + integer_text(sequence.start) + ", " + integer_text(sequence.stop));
      return out.put(sequence.step == 1 ? ")" : ", " + integer_text(sequence.step) + ")");
    case SequenceType::kGenerator:
      return out.put("<generator object>");
  }
}

void write_representation(const Value& value, Writer& out) {
  out.sandbox().steps();
  const Sandbox::Level level(out.sandbox());
  if (value.is_none()) return out.put("None");
  if (value.is_undefined()) return out.put("Undefined");
  if (const bool* boolean = value.boolean()) return out.put(*boolean ? "True" : "False");
  if (const auto integer = value.integer()) return out.put(integer_text(*integer));
  if (const double* number = value.floating()) return out.put(float_text(*number));
  if (const std::string* text = value.text()) {
    return out.put(value.is_safe() ? "Markup(" + python_quoted(*text) + ")" : python_quoted(*text));
  }
  if (const Sequence* sequence = value.sequence()) return write_sequence(*sequence, out);
  if (const Dict* dict = value.dict()) {
    out.put("{");
    for (size_t i = 0; i < dict->entries().size(); i++) {
      if (i > 0) out.put(", ");
      write_representation(dict->entries()[i].first, out);
      out.put(": ");
      write_representation(dict->entries()[i].second, out);
    }
    return out.put("}");
  }
  out.put(value.object<Object>()->representation());
}

// A string of JSON. What is no UTF-8 is U+FFFD: JSON has no other way.
std::string json_string(std::string_view text, bool ascii) {
  std::string out = "\"";
  for (const char32_t point : from_utf8(text)) {
    const char32_t c = point >= kRawByte ? kReplacement : point;
    switch (c) {
      case '"':
        out += "\\\"";
        continue;
      case '\\':
        out += "\\\\";
        continue;
      case '\n':
        out += "\\n";
        continue;
      case '\r':
        out += "\\r";
        continue;
      case '\t':
        out += "\\t";
        continue;
      case '\f':
        out += "\\f";
        continue;
      case '\b':
        out += "\\b";
        continue;
      default:
        break;
    }
    if (c >= 0x20 && (c < 0x7f || !ascii)) {
      append_utf8(out, c);
    } else if (c < 0x10000) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      const unsigned rest = static_cast<unsigned>(c) - 0x10000;
      out += fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + (rest >> 10), 0xdc00 + (rest & 0x3ff));
    }
  }
  return out + '"';
}

std::string json_number(const Value& value) {
  if (const bool* boolean = value.boolean()) return *boolean ? "true" : "false";
  if (const auto integer = value.integer()) return integer_text(*integer);
  const double number = *value.floating();
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
  return float_text(number);
}

std::string json_key(const Value& key, bool ascii) {
  if (const std::string* text = key.text()) return json_string(*text, ascii);
  if (key.is_none()) return "\"null\"";
  if (key.is_number()) return '"' + json_number(key) + '"';
  raise("keys must be str, int, float, bool or None, not {}", key.type());
}

class JsonWriter {
 public:
  JsonWriter(const JsonStyle& style, Writer& out)
      : style_(style),
        out_(out),
        comma_(style.item_separator.value_or(style.indent ? "," : ", ")),
        colon_(style.key_separator.value_or(": ")) {}

  void write(const Value& value, int level) {
    out_.sandbox().steps();
    const Sequence* sequence = value.sequence();
    if (value.is_none()) {
      out_.put("null");
    } else if (value.is_number()) {
      out_.put(json_number(value));
    } else if (const std::string* text = value.text()) {
      out_.put(json_string(*text, style_.ascii));
    } else if (sequence != nullptr && sequence->type <= SequenceType::kTuple) {
      write_items(sequence->values, level);
    } else if (const Dict* dict = value.dict()) {
      write_dict(*dict, level);
    } else {
      raise("Object of type {} is not JSON serializable", value.type());
    }
  }

 private:
  void break_line(int level) {
    if (!style_.indent) return;
    out_.put("\n");
    for (int i = 0; i < level; i++) out_.put(*style_.indent);
  }

  void write_items(const std::vector<Value>& values, int level) {
    if (values.empty()) return out_.put("[]");
    out_.put("[");
    for (size_t i = 0; i < values.size(); i++) {
      if (i > 0) out_.put(comma_);
      break_line(level + 1);
      write(values[i], level + 1);
    }
    break_line(level);
    out_.put("]");
  }

  void write_dict(const Dict& dict, int level) {
    if (dict.entries().empty()) return out_.put("{}");
    std::vector<const Dict::Entry*> entries;
    for (const Dict::Entry& entry : dict.entries()) entries.push_back(&entry);
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(), [&](const auto* a, const auto* b) {
        return compare(a->first, b->first, "<", out_.sandbox()) < 0;
      });
    }
    out_.put("{");
    for (size_t i = 0; i < entries.size(); i++) {
      if (i > 0) out_.put(comma_);
      break_line(level + 1);
      out_.put(json_key(entries[i]->first, style_.ascii));
      out_.put(colon_);
      write(entries[i]->second, level + 1);
    }
    break_line(level);
    out_.put("}");
  }

  const JsonStyle& style_;
  Writer& out_;
  std::string comma_, colon_;
};

}  // namespace

std::string integer_text(Integer value) {
  return fmt::format("{}", value);
}

// The shortest digits that read back as the same number, with an exponent below 1e-4 and from 1e16 on.
std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[64];
  const double size = std::fabs(value);
  const bool exponent = size != 0 && (size < 1e-4 || size >= 1e16);
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value,
                                    exponent ? std::chars_format::scientific : std::chars_format::fixed);
  std::string text(buffer, result.ptr);
  if (!exponent && text.find('.') == std::string::npos) text += ".0";
  return text;
}

std::string python_quoted(std::string_view text) {
  const char quote = text.find('\'') != text.npos && text.find('"') == text.npos ? '"' : '\'';
  std::string out(1, quote);
  for (const char32_t c : from_utf8(text)) {
    if (c == static_cast<char32_t>(quote) || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (is_printable(c)) {
      append_utf8(out, c);
    } else {
      const unsigned code = c >= kRawByte ? 0xdc00 + static_cast<unsigned>(c - kRawByte) : static_cast<unsigned>(c);
      out += code < 0x100     ? fmt::format("\\x{:02x}", code)
             : code < 0x10000 ? fmt::format("\\u{:04x}", code)
                              : fmt::format("\\U{:08x}", code);
    }
  }
  return out + quote;
}

std::string representation(const Value& value, Sandbox& sandbox) {
  std::string out;
  Writer writer(out, sandbox);
  write_representation(value, writer);
  return out;
}

std::string to_text(const Value& value, Sandbox& sandbox) {
  if (const std::string* text = value.text()) {
    sandbox.bytes(text->size());
    return *text;
  }
  if (value.is_undefined()) return {};
  return representation(value, sandbox);
}

std::string to_json(const Value& value, const JsonStyle& style, Sandbox& sandbox) {
  std::string out;
  Writer writer(out, sandbox);
  JsonWriter(style, writer).write(value, 0);
  return out;
}

}  // namespace nextn::jinja
