// The bytes of a tensor's row as floats, exactly as the format defines them: the truth that kernels are tested against,
// and the slow way to read any tensor. Bit-identical to the dequantisation of the `gguf` Python package.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace nextn {

// True for F32, F16, BF16, Q4_0 .. Q8_0, Q2_K .. Q6_K, IQ1_S .. IQ4_XS, MXFP4, NVFP4, TQ1_0 and TQ2_0.
bool can_decode(DType type) noexcept;

// bytes: n_values weights of `type` in file layout, at any alignment; out: n_values floats. can_decode(type) holds and
// n_values is a multiple of the type's block.
void decode_row(DType type, const uint8_t* bytes, int64_t n_values, float* out) noexcept;

}  // namespace nextn
