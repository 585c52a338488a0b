// Sets of Unicode code points (the scalar values: no surrogates), and the bytes of one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nextn::grammar {

struct CodePointRange {
  char32_t first, last;  // both in the set
  bool operator==(const CodePointRange&) const = default;
};

class CodePointSet {
 public:
  CodePointSet() = default;
  CodePointSet(std::initializer_list<CodePointRange> ranges);
  static CodePointSet all();

  void add(char32_t first, char32_t last);
  void add(char32_t c) { add(c, c); }
  void add(const CodePointSet& other);
  CodePointSet complement() const;
  CodePointSet without(const CodePointSet& other) const;
  CodePointSet within(const CodePointSet& other) const;
  bool contains(char32_t c) const;
  bool empty() const { return ranges_.empty(); }

  // Ascending, neither overlapping nor adjacent; surrogates left out.
  const std::vector<CodePointRange>& ranges() const { return ranges_; }

 private:
  std::vector<CodePointRange> ranges_;
};

// Appends the UTF-8 of a scalar value.
void append_utf8(char32_t c, std::string& text);

// The code point that begins at `at`, which moves past it; nothing where the bytes are not valid UTF-8.
std::optional<char32_t> next_code_point(std::string_view text, size_t& at);

}  // namespace nextn::grammar
