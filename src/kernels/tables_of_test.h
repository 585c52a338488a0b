// The kernel tables that a test compares: those this CPU can run, scalar first. A build with NEXTN_EMULATE_AVX512 has
// those for AVX-512 made of AVX2 (tests/emulate).
#pragma once

#include <algorithm>
#include <vector>

#include "base/cpu_features.h"
#include "kernels/kernels.h"

namespace nextn {

inline std::vector<const KernelTable*> tables() {
  const CpuFeatures cpu = cpu_features();
#ifdef NEXTN_EMULATE_AVX512
  const bool emulated = cpu.avx2;
#else
  const bool emulated = false;
#endif
  std::vector<const KernelTable*> all = {&scalar::kernels()};
  if (cpu.avx2) all.push_back(&avx2::kernels());
  if (emulated || cpu.avx512) all.push_back(&avx512::kernels());
  if (emulated || cpu.avx512_vbmi) all.push_back(&avx512::kernels_with_vbmi());
  if (emulated || cpu.amx) all.push_back(&avx512::kernels_with_amx());
  return all;
}

// Only those whose `function(table)` no table before them has.
template <class Get>
std::vector<const KernelTable*> tables_with_own(const Get& function) {
  std::vector<const KernelTable*> own;
  for (const KernelTable* table : tables()) {
    const bool seen = std::ranges::any_of(own, [&](const KernelTable* t) { return function(*t) == function(*table); });
    if (!seen) own.push_back(table);
  }
  return own;
}
template <class Function>
std::vector<const KernelTable*> tables_with_own(Function KernelTable::* member) {
  return tables_with_own([member](const KernelTable& table) { return table.*member; });
}

}  // namespace nextn
