#include "text/jinja/strings.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstring>

#include "text/tokenizer/unicode.h"

namespace nextn::jinja {

namespace {

constexpr std::string_view kAsciiSpace = "\t\n\v\f\r\x1c\x1d\x1e\x1f ";

void append_upper(std::string& out, char32_t c) {
  if (c == 0xdf) {
    out += "SS";  // the one common letter whose capital is two
  } else {
    append_utf8(out, c >= kRawByte ? c : static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))));
  }
}

void append_lower(std::string& out, char32_t c) {
  append_utf8(out, c >= kRawByte ? c : static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
}

bool is_line_end(char32_t c) {
  return (c >= '\n' && c <= '\r') || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

char32_t code_point(std::string_view character) {
  return from_utf8(character)[0];
}

std::string_view last_character(std::string_view text) {
  if (static_cast<signed char>(text.back()) >= 0) return text.substr(text.size() - 1);
  for (size_t n = std::min<size_t>(4, text.size()); n > 1; n--) {
    const std::string_view end = text.substr(text.size() - n);
    if (characters(end).size() == 1) return end;
  }
  return text.substr(text.size() - 1);
}

}  // namespace

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> out;
  std::string one;
  size_t at = 0;
  for (const char32_t c : from_utf8(text)) {
    one.clear();
    append_utf8(one, c);
    out.push_back(text.substr(at, one.size()));
    at += one.size();
  }
  return out;
}

size_t find_text(std::string_view text, std::string_view part, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (part.empty()) return from;
  if (part.size() > text.size() - from) return std::string_view::npos;
  const void* at = memmem(text.data() + from, text.size() - from, part.data(), part.size());
  return at == nullptr ? std::string_view::npos : static_cast<size_t>(static_cast<const char*>(at) - text.data());
}

size_t rfind_text(std::string_view text, std::string_view part) {
  const std::string text_back(text.rbegin(), text.rend()), part_back(part.rbegin(), part.rend());
  const size_t at = find_text(text_back, part_back);
  return at == std::string_view::npos ? at : text.size() - at - part.size();
}

bool is_space(char32_t c) noexcept {
  if (c < 0x80) return c != 0 && kAsciiSpace.find(static_cast<char>(c)) != std::string_view::npos;
  return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
         c == 0x202f || c == 0x205f || c == 0x3000;
}

bool is_printable(char32_t c) noexcept {
  if (c == ' ') return true;
  if (c >= kRawByte) return false;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

std::string_view strip(std::string_view text, Side side, const std::string* set) {
  const auto goes = [&](std::string_view character) {
    if (set == nullptr && character[0] > ' ' && character[0] < 0x7f) return false;
    return set == nullptr ? is_space(code_point(character)) : set->find(character) != std::string::npos;
  };
  if (side != Side::kRight) {
    while (!text.empty()) {
      const bool ascii = static_cast<signed char>(text[0]) >= 0;
      const std::string_view first = ascii ? text.substr(0, 1) : characters(text.substr(0, 4))[0];
      if (!goes(first)) break;
      text.remove_prefix(first.size());
    }
  }
  if (side != Side::kLeft) {
    while (!text.empty()) {
      const std::string_view last = last_character(text);
      if (!goes(last)) break;
      text.remove_suffix(last.size());
    }
  }
  return text;
}

std::string upper(std::string_view text) {
  std::string out;
  for (const char32_t c : from_utf8(text)) append_upper(out, c);
  return out;
}

std::string lower(std::string_view text) {
  std::string out;
  for (const char32_t c : from_utf8(text)) append_lower(out, c);
  return out;
}

std::string capitalize(std::string_view text) {
  std::string out;
  for (const char32_t c : from_utf8(text)) {
    if (out.empty()) {
      append_upper(out, c);
    } else {
      append_lower(out, c);
    }
  }
  return out;
}

std::string title(std::string_view text) {
  std::string out;
  bool inside = false;
  for (const char32_t c : from_utf8(text)) {
    if (inside) {
      append_lower(out, c);
    } else {
      append_upper(out, c);
    }
    inside = c < kRawByte && (utf8proc_toupper(static_cast<int32_t>(c)) != static_cast<int32_t>(c) ||
                              utf8proc_tolower(static_cast<int32_t>(c)) != static_cast<int32_t>(c));
  }
  return out;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  size_t begin = 0, at = 0;
  for (const std::string_view character : characters(text)) {
    const size_t end = at + character.size();
    if (is_line_end(code_point(character)) && at >= begin) {
      const size_t next = character == "\r" && text.substr(end).starts_with('\n') ? end + 1 : end;
      lines.push_back(text.substr(begin, (keep_ends ? next : at) - begin));
      begin = next;
    }
    at = end;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
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

}  // namespace nextn::jinja
