// Scales for blocks of random bytes, for tests and benches: whatever a format has, near a half of one's choice.
#pragma once

#include <algorithm>
#include <cstring>

#include "base/fp16.h"
#include "tensor/dtype.h"

namespace nextn {

// Sets the scale of a block, and its minimum where it has one: half() gives the bits of each.
template <class Half>
void set_scales(DType type, uint8_t* block, const Half& half) {
  const auto put = [&](int at) {
    const uint16_t h = half();
    std::memcpy(block + at, &h, sizeof h);
  };
  switch (type) {
    case DType::kQ4_1:
    case DType::kQ5_1:
    case DType::kQ4_K:
    case DType::kQ5_K:
      put(0);
      return put(2);
    case DType::kQ2_K:
      put(80);
      return put(82);
    case DType::kQ3_K:
      return put(108);
    case DType::kQ6_K:
      return put(208);
    case DType::kTQ1_0:
      return put(52);
    case DType::kTQ2_0:
      return put(64);
    case DType::kMXFP4:  // the power of two at or below it, whatever its sign
      block[0] = static_cast<uint8_t>((bits_of_float(f16_to_f32(half())) >> 23 & 255) + 1);
      return;
    case DType::kNVFP4:  // 64 times it, as far as the range goes
      for (int i = 0; i < 4; i++) {
        const int h = half() & 0x7fff;
        block[i] = static_cast<uint8_t>(std::clamp((h >> 7) - 16, h >> 7 & 7, 0x7e));
      }
      return;
    case DType::kIQ1_M: {
      const uint16_t h = half();
      for (int i = 0; i < 4; i++) {
        uint8_t& top = block[49 + 2 * i];
        top = static_cast<uint8_t>((top & 15) | (h >> 4 * i & 15) << 4);
      }
      return;
    }
    default:
      return put(0);
  }
}

}  // namespace nextn
