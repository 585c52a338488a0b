// The blank space of JSON, which is also what stands between markers.
#pragma once

#include <string_view>

namespace nextn {

inline constexpr std::string_view kBlank = " \t\r\n";

inline bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

inline bool is_blank(std::string_view text) noexcept {
  return text.find_first_not_of(kBlank) == std::string_view::npos;
}

}  // namespace nextn
