#include "gguf/cursor.h"

namespace nextn::gguf {

std::string shown(std::string_view name) {
  constexpr size_t kMaxShown = 120;
  std::string text;
  for (const char c : name.substr(0, kMaxShown)) {
    if (c >= ' ' && c <= '~') {
      text += c;
    } else {
      text += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
    }
  }
  return name.size() > kMaxShown ? text + "..." : text;
}

}  // namespace nextn::gguf
