// Python's view of a string: characters are code points, white space and case are Unicode's. A byte that is no UTF-8
// counts as one character.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace nextn::jinja {

// The characters of a text, in order; the views point into it.
std::vector<std::string_view> characters(std::string_view text);

// Where `part` first lies in text[from..]; npos if it does not. Linear in the text, whatever the part.
size_t find_text(std::string_view text, std::string_view part, size_t from = 0);
size_t rfind_text(std::string_view text, std::string_view part);

bool is_space(char32_t c) noexcept;      // str.isspace
bool is_printable(char32_t c) noexcept;  // str.isprintable

enum class Side { kLeft, kRight, kBoth };
// Without `characters`: white space.
std::string_view strip(std::string_view text, Side side, const std::string* characters = nullptr);

std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string capitalize(std::string_view text);
std::string title(std::string_view text);

// Python's splitlines: the lines without their ends, or with them.
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends = false);

// For HTML, as markupsafe does it.
std::string escaped(std::string_view text);

}  // namespace nextn::jinja
