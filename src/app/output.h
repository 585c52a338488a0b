// What the program writes to a terminal: nothing that a file or an argument says gets there unescaped, and an output
// that cannot be written is an error, not a crash.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace nextn {

// `text` on one line: control characters, marks that turn the direction of text, and bytes that are not UTF-8 as \xNN
// or \uNNNN. What is beyond max_characters is cut off and "..." put there.
std::string printable(std::string_view text, size_t max_characters = std::string_view::npos);

// Throws Error{kSystem} when the text, or what was written before it, does not get out.
void write_stdout(std::string_view text);

void write_stderr(std::string_view text) noexcept;  // when stderr is closed there is nobody to tell

template <class... Args>
void print_stderr(fmt::format_string<Args...> format, Args&&... args) {
  write_stderr(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace nextn
