#include <immintrin.h>

#include <cstdint>

#include "kernels/avx2/functions.h"
#include "kernels/avx2/vec.h"
#include "quant/decode.h"

namespace nextn::avx2 {

#include "kernels/simd/sketch.inc"

}  // namespace nextn::avx2
