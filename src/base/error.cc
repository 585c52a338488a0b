#include "base/error.h"

#include <cstdio>
#include <cstdlib>

namespace nextn {

void check_failed(const char* file, int line, const char* expression) noexcept {
  std::fprintf(stderr, "nextn: internal error at %s:%d: expected %s\n", file, line, expression);
  std::abort();
}

}  // namespace nextn
