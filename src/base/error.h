// The one exception type, and the check for our own bugs.
// Error is thrown while loading, parsing and admitting; the step path is noexcept and never throws it.
// A message is one line: where, what was expected, what was found.
#pragma once

#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace nextn {

enum class ErrorCode {
  kUsage,        // a flag or an argument the user gave
  kFile,         // the bytes of a file are not what they should be
  kUnsupported,  // well-formed, but not something nextn runs
  kRequest,      // a prompt or a request that cannot be served
  kSystem,       // the operating system refused: open, map, memory, write
  kBusy,         // not now: too much is waiting, or the program is ending
};

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}

  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

// Throws Error{code, formatted message}.
template <class... Args>
[[noreturn]] void fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

[[noreturn]] void check_failed(const char* file, int line, const char* expression) noexcept;

}  // namespace nextn

// Always on, cheap, and for our own bugs only: what a user can reach throws Error instead.
#define NEXTN_CHECK(expression) \
  ((expression) ? static_cast<void>(0) : ::nextn::check_failed(__FILE__, __LINE__, #expression))
