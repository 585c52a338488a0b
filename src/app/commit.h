// The commit that the program was built from, "-dirty" behind it when files had been changed; "unknown" outside a
// repository. Written by cmake/commit.cmake with every build.
#pragma once

namespace nextn {

extern const char* const kCommit;

}  // namespace nextn
