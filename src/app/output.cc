#include "app/output.h"

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "text/tokenizer/unicode.h"

namespace nextn {

namespace {

// C1 controls; marks, embeddings, overrides and isolates of the bidirectional algorithm; line and paragraph separators.
bool is_escaped(char32_t c) {
  return (c >= 0x80 && c <= 0x9f) || c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
         (c >= 0x2066 && c <= 0x2069);
}

}  // namespace

std::string printable(std::string_view text, size_t max_characters) {
  std::string out;
  size_t n = 0;
  for (const char32_t c : from_utf8(text)) {
    if (n++ == max_characters) return out + "...";
    if (c < ' ' || c == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<uint32_t>(c));
    } else if (c >= kRawByte) {
      out += fmt::format("\\x{:02x}", static_cast<uint32_t>(c - kRawByte));
    } else if (is_escaped(c)) {
      out += fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
    } else {
      append_utf8(out, c);
    }
  }
  return out;
}

void write_stdout(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (!written || std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    fail(ErrorCode::kSystem, "stdout: cannot write: {}", std::strerror(errno));
  }
}

void write_stderr(std::string_view text) noexcept {
  (void)std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace nextn
