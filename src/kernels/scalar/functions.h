#pragma once

#include "kernels/kernels.h"

namespace nextn::scalar {

#include "kernels/functions.inc"

}  // namespace nextn::scalar
