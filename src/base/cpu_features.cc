#include "base/cpu_features.h"

namespace nextn {

// __builtin_cpu_supports looks at XCR0 too, so a system that does not save the wide registers counts as not having
// them.
CpuFeatures cpu_features() noexcept {
  __builtin_cpu_init();
  CpuFeatures f;
  f.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c") &&
           __builtin_cpu_supports("bmi2");
  f.avx512 = f.avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vnni");
  return f;
}

}  // namespace nextn
