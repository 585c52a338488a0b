// Reads a GGUF file from front to back and never past its end. What is read is described lazily: a format and arguments
// that are put into words only for the message of a truncated file.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace nextn::gguf {

// A name out of the file as messages show it: on one line, bytes outside printable ASCII as \xNN, long ones cut.
struct Shown {
  std::string_view name;
};
std::string shown(std::string_view name);

}  // namespace nextn::gguf

template <>
struct fmt::formatter<nextn::gguf::Shown> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(const nextn::gguf::Shown& s, Context& context) const {
    return fmt::formatter<std::string_view>::format(nextn::gguf::shown(s.name), context);
  }
};

namespace nextn::gguf {

class Cursor {
 public:
  // `path` and the bytes outlive the cursor.
  Cursor(const std::string& path, std::span<const uint8_t> bytes) : path_(path), bytes_(bytes) {}

  const std::string& path() const noexcept { return path_; }
  uint64_t position() const noexcept { return position_; }
  uint64_t left() const noexcept { return bytes_.size() - position_; }

  template <class... What>
  std::span<const uint8_t> take(uint64_t n, fmt::format_string<What...> what, What&&... args) {
    if (n > left()) {
      fail(ErrorCode::kFile, "{}: byte {}: expected {} bytes for {}, found {}", path_, position_, n,
           fmt::format(what, std::forward<What>(args)...), left());
    }
    const auto bytes = bytes_.subspan(position_, n);
    position_ += n;
    return bytes;
  }

  // A little-endian number.
  template <class T, class... What>
  T read(fmt::format_string<What...> what, What&&... args) {
    const auto bytes = take(sizeof(T), what, std::forward<What>(args)...);
    T v;
    std::memcpy(&v, bytes.data(), sizeof v);
    return v;
  }

  // A length of 8 bytes and so many bytes.
  template <class... What>
  std::string_view string(fmt::format_string<What...> what, What&&... args) {
    constexpr uint64_t kMaxString = uint64_t{1} << 30;
    if (left() < 8) {
      fail(ErrorCode::kFile, "{}: byte {}: expected 8 bytes for the length of {}, found {}", path_, position_,
           fmt::format(what, std::forward<What>(args)...), left());
    }
    const uint64_t start = position_;
    const uint64_t n = read<uint64_t>("a length");
    if (n > kMaxString) {
      fail(ErrorCode::kFile, "{}: byte {}: expected at most {} bytes for {}, found a length of {}", path_, start,
           kMaxString, fmt::format(what, std::forward<What>(args)...), n);
    }
    const auto bytes = take(n, what, std::forward<What>(args)...);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

 private:
  const std::string& path_;
  std::span<const uint8_t> bytes_;
  uint64_t position_ = 0;
};

}  // namespace nextn::gguf
