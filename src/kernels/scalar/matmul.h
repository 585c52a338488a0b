// The matmul and quantising kernels of this folder, for its table. matmul.cc defines the numbers.
#pragma once

#include "kernels/kernels.h"

namespace nextn::scalar {

void matmul_f32(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_f16(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_bf16(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_q8_0(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_q4_0(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_q4_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_q5_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);
void matmul_q6_k(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);

void quantize(const float* x, int64_t k, int8_t* q, float* scale, int32_t* sum);

}  // namespace nextn::scalar
