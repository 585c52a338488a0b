#include "base/cpu_features.h"

#include <sys/syscall.h>
#include <unistd.h>

namespace nextn {

namespace {

// Linux gives the registers of AMX to a process that asks for them, once for all its threads.
bool ask_for_tiles() noexcept {
  constexpr int kArchReqXcompPerm = 0x1023, kXfeatureXtiledata = 18;
  return syscall(SYS_arch_prctl, kArchReqXcompPerm, kXfeatureXtiledata) == 0;
}

}  // namespace

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
  f.avx512_vbmi = f.avx512 && __builtin_cpu_supports("avx512vbmi");
  f.amx = f.avx512_vbmi && __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-int8") && ask_for_tiles();
  return f;
}

}  // namespace nextn
