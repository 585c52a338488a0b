#include <cstring>

#include "base/cpu_features.h"
#include "base/error.h"
#include "kernels/kernels.h"

namespace nextn {

const KernelTable& select_kernels(const char* force) {
  const CpuFeatures cpu = cpu_features();
  if (force == nullptr || *force == '\0') {
    return cpu.amx           ? avx512::kernels_with_amx()
           : cpu.avx512_vbmi ? avx512::kernels_with_vbmi()
           : cpu.avx512      ? avx512::kernels()
           : cpu.avx2        ? avx2::kernels()
                             : scalar::kernels();
  }
  if (std::strcmp(force, "scalar") == 0) return scalar::kernels();
  if (std::strcmp(force, "avx2") == 0) {
    if (!cpu.avx2)
      fail(ErrorCode::kUsage, "NEXTN_ISA: avx2 needs AVX2, FMA, F16C and BMI2, this CPU has not got them all");
    return avx2::kernels();
  }
  if (std::strcmp(force, "avx512") == 0) {
    if (!cpu.avx512)
      fail(ErrorCode::kUsage, "NEXTN_ISA: avx512 needs AVX-512 F, BW, VL, DQ and VNNI, this CPU has not got them all");
    return avx512::kernels();
  }
  if (std::strcmp(force, "avx512_vbmi") == 0) {
    if (!cpu.avx512_vbmi)
      fail(ErrorCode::kUsage, "NEXTN_ISA: avx512_vbmi needs what avx512 does and VBMI, which this CPU has not got");
    return avx512::kernels_with_vbmi();
  }
  if (std::strcmp(force, "amx") == 0) {
    if (!cpu.amx)
      fail(ErrorCode::kUsage,
           "NEXTN_ISA: amx needs what avx512_vbmi does and AMX-INT8, which this machine does not offer");
    return avx512::kernels_with_amx();
  }
  fail(ErrorCode::kUsage, "NEXTN_ISA: expected scalar, avx2, avx512, avx512_vbmi or amx, found '{}'", force);
}

}  // namespace nextn
