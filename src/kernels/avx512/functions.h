#pragma once

#include "kernels/kernels.h"

namespace nextn::avx512 {

#include "kernels/functions.inc"

// With VBMI: matmul_vbmi.cc.
void matmul_vbmi_iq2_xxs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_vbmi_iq2_xs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_vbmi_iq3_xxs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_vbmi_iq3_s(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);

// By loads instead of gathers: matmul_grids.cc.
void matmul_loads_iq2_s(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_loads_iq1_s(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_loads_iq1_m(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);

// With AMX: amx.h. Those that stand in matmul_vbmi.cc have VBMI, too.
void matmul_many_q4_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_many_q5_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_many_q6_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_many_iq4_xs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_many_q2_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_many_q3_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_many_iq2_xxs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_many_iq2_xs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_many_iq2_s(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_many_iq3_xxs(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_many_iq3_s(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_many_iq1_s(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_many_iq1_m(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_many_tq1_0(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_many_tq2_0(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);

}  // namespace nextn::avx512
