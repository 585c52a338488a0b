// What this CPU and operating system can run, read once from CPUID. Built without instruction-set flags.
#pragma once

namespace nextn {

struct CpuFeatures {
  bool avx2;    // AVX2, FMA, F16C and BMI2, and the system saves ymm registers
  bool avx512;  // the above and AVX-512 F, BW, VL, DQ and VNNI, and the system saves zmm registers
};

CpuFeatures cpu_features() noexcept;

}  // namespace nextn
