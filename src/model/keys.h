// The metadata keys of a model's architecture ("qwen35.block_count"), read and checked against ranges.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "base/error.h"
#include "gguf/file.h"

namespace nextn {

class Keys {
 public:
  explicit Keys(const gguf::File& file)
      : file_(file), prefix_(std::string(file.string("general.architecture")) + ".") {}

  const gguf::File& file() const noexcept { return file_; }
  std::string full(const char* key) const { return prefix_ + key; }
  bool has(const char* key) const { return file_.has(full(key)); }

  // A u32 in [low, high]; throws Error{kFile}. The second form gives `absent`, which must be in the range too, where
  // there is no such key.
  int64_t size(const char* key, int64_t low, int64_t high) const {
    return in_range(key, file_.u32(full(key)), low, high);
  }
  int64_t size_or(const char* key, int64_t absent, int64_t low, int64_t high) const {
    return has(key) ? size(key, low, high) : in_range(key, absent, low, high);
  }

  // Throws "FILE: KEY: ...".
  template <class... Args>
  [[noreturn]] void refuse(ErrorCode code, const char* key, fmt::format_string<Args...> format, Args&&... args) const {
    fail(code, "{}: {}: {}", file_.path(), full(key), fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  int64_t in_range(const char* key, int64_t v, int64_t low, int64_t high) const {
    if (v < low || v > high) refuse(ErrorCode::kFile, key, "expected {} to {}, found {}", low, high, v);
    return v;
  }

  const gguf::File& file_;
  const std::string prefix_;
};

}  // namespace nextn
