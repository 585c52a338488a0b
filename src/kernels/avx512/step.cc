#include "kernels/avx512/functions.h"

#include "kernels/avx512/vec.h"

namespace nextn::avx512 {

#include "kernels/simd/elementwise.inc"

#include "kernels/simd/delta_rule.inc"

#include "kernels/simd/attention.inc"

}  // namespace nextn::avx512
