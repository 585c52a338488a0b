#pragma once

#include "kernels/kernels.h"

namespace nextn::avx2 {

#include "kernels/functions.inc"

}  // namespace nextn::avx2
