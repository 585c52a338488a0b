#include "kernels/avx2/functions.h"

#include "kernels/avx2/vec.h"

namespace nextn::avx2 {

#include "kernels/simd/elementwise.inc"

#include "kernels/simd/delta_rule.inc"

#include "kernels/simd/attention.inc"

}  // namespace nextn::avx2
