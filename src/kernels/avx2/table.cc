#include "kernels/avx2/matmul.h"
#include "kernels/avx2/step.h"
#include "kernels/kernels.h"

namespace nextn::avx2 {

const KernelTable& kernels() {
  static constexpr KernelTable table = {
      .isa = "avx2",
      .matmul = {matmul_f32, matmul_f16, matmul_bf16, matmul_q8_0, matmul_q4_0, matmul_q4_k, matmul_q5_k, matmul_q6_k},
      .quantize = quantize,
      .rms_norm = rms_norm,
      .gated_rms_norm = gated_rms_norm,
      .l2_norm = l2_norm,
      .add = add,
      .swiglu = swiglu,
      .sigmoid_gate = sigmoid_gate,
      .rope = rope,
      .conv_silu = conv_silu,
      .delta_rows = delta_rows,
      .attend = attend,
      .attend_merge = attend_merge,
      .argmax = argmax,
  };
  return table;
}

}  // namespace nextn::avx2
