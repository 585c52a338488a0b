// What this CPU and operating system can run, read from CPUID. Built without instruction-set flags.
#pragma once

namespace nextn {

struct CpuFeatures {
  bool avx2;         // AVX2, FMA, F16C and BMI2, and the system saves ymm registers
  bool avx512;       // the above and AVX-512 F, BW, VL, DQ and VNNI, and the system saves zmm registers
  bool avx512_vbmi;  // the above and VBMI
  bool amx;          // the above and AMX with 8-bit integers, and the system lets this process use it
};

// Asks the system for the registers of AMX where the CPU has them.
CpuFeatures cpu_features() noexcept;

}  // namespace nextn
