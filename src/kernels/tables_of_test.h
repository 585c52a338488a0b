// The kernel tables that a test compares: those this CPU can run, scalar first. A build with NEXTN_EMULATE_AVX512 has
// the one with AMX made of AVX2 (tests/emulate).
#pragma once

#include <vector>

#include "base/cpu_features.h"
#include "kernels/kernels.h"

namespace nextn {

inline std::vector<const KernelTable*> tables() {
  std::vector<const KernelTable*> all = {&scalar::kernels()};
  if (cpu_features().avx2) all.push_back(&avx2::kernels());
#ifdef NEXTN_EMULATE_AVX512
  if (cpu_features().avx2) all.push_back(&avx512::kernels_with_amx());
#else
  if (cpu_features().avx512) all.push_back(&avx512::kernels());
  if (cpu_features().amx) all.push_back(&avx512::kernels_with_amx());
#endif
  return all;
}

}  // namespace nextn
