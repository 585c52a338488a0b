#include "kernels/avx2/functions.h"

namespace nextn::avx2 {

static constexpr char kIsa[] = "avx2";
#include "kernels/table.inc"

}  // namespace nextn::avx2
