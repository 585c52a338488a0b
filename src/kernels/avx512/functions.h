#pragma once

#include "kernels/kernels.h"

namespace nextn::avx512 {

#include "kernels/functions.inc"

}  // namespace nextn::avx512
