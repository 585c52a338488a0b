#include "text/tokenizer/unicode.h"

#include <utf8proc.h>

#include <algorithm>

namespace nextn {

namespace {

// What stands at the start of a text: a code point, or bytes that are none.
struct Sequence {
  char32_t point;  // valid only
  size_t length;   // of the sequence, or of the longest part of one that is there; at least 1
  bool valid;
  bool truncated;  // the text ends where the sequence still could have gone on
};

Sequence first_sequence(std::string_view text) noexcept {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1, true, false};
  if (lead < 0xc2 || lead > 0xf4) return {0, 1, false, false};

  const size_t size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  // The second byte's range leaves out overlong forms, surrogates and what is beyond U+10FFFF.
  const uint8_t second_min = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const uint8_t second_max = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  char32_t point = lead & (0x7fu >> size);
  for (size_t i = 1; i < size; i++) {
    if (i == text.size()) return {0, i, false, true};
    const uint8_t min = i == 1 ? second_min : 0x80, max = i == 1 ? second_max : 0xbf;
    if (byte(i) < min || byte(i) > max) return {0, i, false, false};
    point = point << 6 | (byte(i) & 0x3fu);
  }
  return {point, size, true, false};
}

bool is_white_space(char32_t c) noexcept {
  return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

int combining_class(utf8proc_int32_t c) noexcept {
  return utf8proc_get_property(c)->combining_class;
}

// utf8proc_map would do all of this, but it sorts marks in quadratic time; a long run of them is a user's to send.
void append_nfc(std::u32string& out, std::u32string_view text) {
  constexpr auto kOptions = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  constexpr size_t kMaxDecomposition = 8;  // Unicode's longest canonical one has 4 code points
  std::basic_string<utf8proc_int32_t> points;
  points.reserve(text.size());
  for (const char32_t c : text) {
    utf8proc_int32_t parts[kMaxDecomposition];
    int boundary = 0;
    const utf8proc_ssize_t n =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts, kMaxDecomposition, kOptions, &boundary);
    points.append(parts, static_cast<size_t>(n));
  }

  const auto is_starter = [](utf8proc_int32_t c) { return combining_class(c) == 0; };
  for (auto begin = points.begin(); begin != points.end();) {
    begin = std::find_if_not(begin, points.end(), is_starter);
    const auto end = std::find_if(begin, points.end(), is_starter);
    std::stable_sort(begin, end, [](auto a, auto b) { return combining_class(a) < combining_class(b); });
    begin = end;
  }

  const utf8proc_ssize_t n =
      utf8proc_normalize_utf32(points.data(), static_cast<utf8proc_ssize_t>(points.size()), kOptions);
  out.append(points.begin(), points.begin() + n);
}

}  // namespace

CharClass char_class(char32_t c) noexcept {
  if (is_white_space(c)) return CharClass::kSpace;
  if (c >= kRawByte) return CharClass::kOther;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return CharClass::kLetter;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
      return CharClass::kMark;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return CharClass::kNumber;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
      return CharClass::kPunctuation;
    default:
      return CharClass::kOther;
  }
}

std::u32string from_utf8(std::string_view text) {
  std::u32string points;
  points.reserve(text.size());
  while (!text.empty()) {
    const Sequence s = first_sequence(text);
    if (s.valid) {
      points.push_back(s.point);
    } else {
      for (size_t i = 0; i < s.length; i++) points.push_back(kRawByte + static_cast<uint8_t>(text[i]));
    }
    text.remove_prefix(s.length);
  }
  return points;
}

void append_utf8(std::string& out, char32_t c) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c >= kRawByte) {
    put(c - kRawByte);
  } else if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | c >> 6);
    put(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    put(0xe0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3f));
    put(0x80 | (c & 0x3f));
  } else {
    put(0xf0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3f));
    put(0x80 | (c >> 6 & 0x3f));
    put(0x80 | (c & 0x3f));
  }
}

std::u32string to_nfc(std::u32string text) {
  // Nothing below U+0300 composes or decomposes in form C, and most text stays there.
  if (std::all_of(text.begin(), text.end(), [](char32_t c) { return c < 0x300 || c >= kRawByte; })) return text;
  std::u32string out;
  out.reserve(text.size());
  const std::u32string_view view = text;
  for (size_t at = 0; at < view.size();) {
    size_t end = at;
    while (end < view.size() && view[end] < kRawByte) end++;
    append_nfc(out, view.substr(at, end - at));
    for (at = end; at < view.size() && view[at] >= kRawByte; at++) out.push_back(view[at]);
  }
  return out;
}

size_t incomplete_utf8_suffix(std::string_view text) noexcept {
  for (size_t n = 1; n <= 3 && n <= text.size(); n++) {
    const std::string_view suffix = text.substr(text.size() - n);
    const bool is_continuation = (static_cast<uint8_t>(suffix[0]) & 0xc0) == 0x80;
    if (!is_continuation) return first_sequence(suffix).truncated ? n : 0;
  }
  return 0;
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Sequence s = first_sequence(text);
    if (s.valid) {
      out.append(text.substr(0, s.length));
    } else {
      append_utf8(out, kReplacement);
    }
    text.remove_prefix(s.length);
  }
  return out;
}

}  // namespace nextn
