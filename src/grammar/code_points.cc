#include "grammar/code_points.h"

#include <algorithm>

namespace nextn::grammar {

namespace {

constexpr char32_t kLast = 0x10FFFF;

}  // namespace

CodePointSet::CodePointSet(std::initializer_list<CodePointRange> ranges) {
  for (const auto& [first, last] : ranges) add(first, last);
}

CodePointSet CodePointSet::all() {
  return {{0, kLast}};
}

void CodePointSet::add(char32_t first, char32_t last) {
  last = std::min(last, kLast);
  if (first < 0xD800 && last >= 0xD800) {
    add(first, 0xD7FF);
    first = 0xE000;
  } else if (first >= 0xD800 && first <= 0xDFFF) {
    first = 0xE000;
  }
  if (last >= 0xD800 && last <= 0xDFFF) last = 0xD7FF;
  if (first > last) return;
  // The ranges that the new one touches become one with it.
  auto begin = std::ranges::find_if(ranges_, [&](const CodePointRange& r) { return r.last + 1 >= first; });
  auto end = begin;
  for (; end != ranges_.end() && (end->first <= last || end->first == last + 1); ++end) {
    first = std::min(first, end->first);
    last = std::max(last, end->last);
  }
  ranges_.insert(ranges_.erase(begin, end), {first, last});
}

void CodePointSet::add(const CodePointSet& other) {
  for (const auto& [first, last] : other.ranges_) add(first, last);
}

CodePointSet CodePointSet::complement() const {
  CodePointSet rest;
  char32_t next = 0;
  for (const auto& [first, last] : ranges_) {
    if (first > next) rest.add(next, first - 1);
    next = last + 1;
  }
  if (next <= kLast) rest.add(next, kLast);
  return rest;
}

CodePointSet CodePointSet::without(const CodePointSet& other) const {
  CodePointSet gone = complement();
  gone.add(other);
  return gone.complement();
}

CodePointSet CodePointSet::within(const CodePointSet& other) const {
  return without(other.complement());
}

bool CodePointSet::contains(char32_t c) const {
  return std::ranges::any_of(ranges_, [c](const CodePointRange& r) { return r.first <= c && c <= r.last; });
}

void append_utf8(char32_t c, std::string& text) {
  if (c < 0x80) {
    text += static_cast<char>(c);
  } else if (c < 0x800) {
    text += static_cast<char>(0xC0 | c >> 6);
    text += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    text += static_cast<char>(0xE0 | c >> 12);
    text += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    text += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    text += static_cast<char>(0xF0 | c >> 18);
    text += static_cast<char>(0x80 | (c >> 12 & 0x3F));
    text += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    text += static_cast<char>(0x80 | (c & 0x3F));
  }
}

std::optional<char32_t> next_code_point(std::string_view text, size_t& at) {
  if (at >= text.size()) return {};
  const auto byte = static_cast<uint8_t>(text[at]);
  const size_t n = byte < 0x80 ? 1 : byte < 0xC2 ? 0 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : byte < 0xF5 ? 4 : 0;
  if (n == 0 || text.size() - at < n) return {};
  char32_t c = n == 1 ? byte : byte & (0x7F >> n);
  for (size_t i = 1; i < n; i++) {
    const auto next = static_cast<uint8_t>(text[at + i]);
    if ((next & 0xC0) != 0x80) return {};
    c = c << 6 | (next & 0x3F);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (c < kLeast[n] || c > kLast || (c >= 0xD800 && c <= 0xDFFF)) return {};
  at += n;
  return c;
}

}  // namespace nextn::grammar
