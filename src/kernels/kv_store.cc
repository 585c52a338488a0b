#include "base/fp16.h"
#include "kernels/kernels.h"

namespace nextn {

namespace {

// scale = max|x| / 127 as a half, q = round(x / scale) to nearest even against the scale that was stored.
void store_q8_0(const float* x, int64_t n, uint8_t* cached) noexcept {
  for (int64_t b = 0; b < n / 32; b++, x += 32, cached += 34) {
    float largest = 0;
    bool nan = false;
    for (int i = 0; i < 32; i++) {
      const float a = __builtin_fabsf(x[i]);
      largest = a > largest ? a : largest;
      nan |= a != a;
    }
    const uint16_t scale = nan ? 0x7e00 : f32_to_f16(largest / 127);
    const float stored = f16_to_f32(scale);
    const float inverse = stored > 0 && stored < 65536 ? 1 / stored : 0;
    std::memcpy(cached, &scale, 2);
    for (int i = 0; i < 32; i++) {
      float q =
          (x[i] * inverse + 12582912.0f) - 12582912.0f;  // 1.5 * 2^23: rounds to the nearest integer, ties to even
      q = q > 127 ? 127 : q < -127 ? -127 : q;
      cached[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(q == q ? q : 0));
    }
  }
}

}  // namespace

void kv_store(KvType type, const float* x, int64_t head_dim, uint8_t* cached) noexcept {
  switch (type) {
    case KvType::kF32:
      std::memcpy(cached, x, static_cast<size_t>(head_dim) * 4);
      return;
    case KvType::kF16:
      for (int64_t i = 0; i < head_dim; i++) {
        const uint16_t h = f32_to_f16(x[i]);
        std::memcpy(cached + 2 * i, &h, 2);
      }
      return;
    case KvType::kQ8_0:
      store_q8_0(x, head_dim, cached);
      return;
  }
}

}  // namespace nextn
