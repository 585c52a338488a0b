#include "kernels/avx512/functions.h"

namespace nextn::avx512 {

static constexpr char kIsa[] = "avx512";
#include "kernels/table.inc"

}  // namespace nextn::avx512
