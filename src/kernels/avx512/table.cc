#include "kernels/avx512/functions.h"

namespace nextn::avx512 {

static constexpr char kIsa[] = "avx512";
#include "kernels/table.inc"

static MatmulFn& matmul_of(KernelTable& t, PackFormat format) {
  return t.matmul[static_cast<int>(format)];
}

// Small grids permuted: whatever has VBMI.
static KernelTable with_permuted_grids(const char* isa) {
  KernelTable t = kernels();
  t.isa = isa;
  matmul_of(t, PackFormat::kIQ2_XXS) = matmul_vbmi_iq2_xxs;
  matmul_of(t, PackFormat::kIQ2_XS) = matmul_vbmi_iq2_xs;
  matmul_of(t, PackFormat::kIQ3_XXS) = matmul_vbmi_iq3_xxs;
  matmul_of(t, PackFormat::kIQ3_S) = matmul_vbmi_iq3_s;
  return t;
}

const KernelTable& kernels_with_vbmi() {
  static const KernelTable table = [] {
    KernelTable t = with_permuted_grids("avx512_vbmi");
    matmul_of(t, PackFormat::kIQ2_S) = matmul_loads_iq2_s;
    matmul_of(t, PackFormat::kIQ1_S) = matmul_loads_iq1_s;
    matmul_of(t, PackFormat::kIQ1_M) = matmul_loads_iq1_m;
    return t;
  }();
  return table;
}

const KernelTable& kernels_with_amx() {
  static const KernelTable table = [] {
    KernelTable t = with_permuted_grids("amx");
    const auto many = [&](PackFormat format) -> MatmulFn& { return t.matmul_many[static_cast<int>(format)]; };
    many(PackFormat::kQ4_K) = matmul_many_q4_k;
    many(PackFormat::kQ5_K) = matmul_many_q5_k;
    many(PackFormat::kQ6_K) = matmul_many_q6_k;
    many(PackFormat::kIQ4_XS) = matmul_many_iq4_xs;
    many(PackFormat::kQ2_K) = matmul_many_q2_k;
    many(PackFormat::kQ3_K) = matmul_many_q3_k;
    many(PackFormat::kIQ2_XXS) = matmul_many_iq2_xxs;
    many(PackFormat::kIQ2_XS) = matmul_many_iq2_xs;
    many(PackFormat::kIQ2_S) = matmul_many_iq2_s;
    many(PackFormat::kIQ3_XXS) = matmul_many_iq3_xxs;
    many(PackFormat::kIQ3_S) = matmul_many_iq3_s;
    many(PackFormat::kIQ1_S) = matmul_many_iq1_s;
    many(PackFormat::kIQ1_M) = matmul_many_iq1_m;
    many(PackFormat::kTQ1_0) = matmul_many_tq1_0;
    many(PackFormat::kTQ2_0) = matmul_many_tq2_0;
    return t;
  }();
  return table;
}

}  // namespace nextn::avx512
