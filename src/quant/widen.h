// From the type a tensor has in a file to the type it is computed in. Types without a kernel of their own are repacked
// to a wider block format of the same values where one exists (exact), else decoded and rounded to half.
//
//   file type                                              computed in
//   F32, F16, BF16, Q8_0, Q4_0, Q4_K, Q5_K, Q6_K, IQ4_XS   itself
//   Q5_0, IQ4_NL                                           Q8_0, exact: same d, q - 16 or the table's value
//   Q3_K                                                   Q6_K, exact: same d, scale - 32, q - 4 + 32
//   Q4_1, Q5_1, Q2_K                                       F16, rounded to nearest even
#pragma once

#include <cstdint>
#include <optional>

#include "tensor/dtype.h"

namespace nextn {

// The type that holds every value of `type` exactly and has a kernel; nothing if `type` needs none or there is none.
std::optional<DType> exact_wider(DType type) noexcept;

// exact_wider(from) == to. in: n values of `from` at any alignment, n a multiple of both blocks; out: the same n values
// as `to`. Decoding either gives the same bits.
void widen_row(DType from, DType to, const uint8_t* in, int64_t n, uint8_t* out) noexcept;

// The type that a tensor of this file type is computed in. Throws Error{kUnsupported}, without a place, when
// can_decode(type) does not hold.
DType runtime_type(DType type);

// `to` is `from`, exact_wider(from), F16 or F32; the bytes are copied, widened, or decoded and (F16) rounded.
// n is a multiple of both blocks.
void convert_row(DType from, DType to, const uint8_t* in, int64_t n, uint8_t* out) noexcept;

}  // namespace nextn
