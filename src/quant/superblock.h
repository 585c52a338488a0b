// A block of 256 weights as the integers it holds: what the formats of that size have in common.
#pragma once

#include <cstdint>

#include "quant/blocks.h"
#include "tensor/dtype.h"

namespace nextn {

// w[i] = d * scale[i/16] * q[i] - dmin * min[i/16]. A format with a scale for every 32 weights has each of them twice;
// one without minima has dmin 0; a power of two that belongs to its scales is in d.
struct Superblock {
  float d, dmin;
  int16_t scale[16];
  uint8_t min[16];
  int8_t q[kSuperBlock];
};

// True for Q2_K .. Q6_K, IQ1_S .. IQ3_S, IQ4_XS, TQ1_0 and TQ2_0.
bool is_superblock(DType type) noexcept;

// True for Q2_K, Q4_K and Q5_K.
constexpr bool has_minima(DType type) noexcept {
  return type == DType::kQ2_K || type == DType::kQ4_K || type == DType::kQ5_K;
}

// block: of this type, at any alignment. is_superblock(type) holds.
void read_superblock(DType type, const uint8_t* block, Superblock& out) noexcept;

}  // namespace nextn
