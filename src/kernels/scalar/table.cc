#include "kernels/scalar/functions.h"

namespace nextn::scalar {

static constexpr char kIsa[] = "scalar";
#include "kernels/table.inc"

}  // namespace nextn::scalar
