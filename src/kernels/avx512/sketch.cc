#include <immintrin.h>

#include <cstdint>

#include "kernels/avx512/functions.h"
#include "kernels/avx512/vec.h"
#include "quant/decode.h"

namespace nextn::avx512 {

#include "kernels/simd/sketch.inc"

}  // namespace nextn::avx512
