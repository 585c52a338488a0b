// A vector to tables of sums. Block scales are integers in units of the largest one, so that kernels add everything as
// integers: exact, in any order.
#include "kernels/sketch.h"

#include <algorithm>
#include <cmath>

namespace nextn {

namespace {

constexpr int kGroup = 4;
constexpr int32_t kGroupOffset = kGroup * kSketchLimit;

float largest_of(const float* x, const float* size, int64_t n) {
  float most = 0;
  bool finite = true;
  for (int64_t i = 0; i < n; i++) {
    const float a = std::fabs(x[i] * size[i]);
    finite &= a <= 3e38f;
    most = a > most ? a : most;
  }
  return finite ? most : INFINITY;
}

int quant(float x) {
  const float rounded = (x + 12582912.0f) - 12582912.0f;  // 1.5 * 2^23: to the nearest integer
  return std::clamp(static_cast<int>(rounded), -kSketchLimit, kSketchLimit);
}

}  // namespace

bool make_sketch_query(const float* x, const float* size, int64_t k, uint8_t* tables, int16_t* scales,
                       SketchQuery* query) noexcept {
  const float most = largest_of(x, size, k);
  if (most == INFINITY) return false;
  // What a block may add to a sum, by the tables' offsets and by its own, for a scale of 1.
  constexpr int64_t kBlockSum = 2 * kSketchBlock / kGroup * kGroupOffset;
  const int64_t scale_limit = std::min<int64_t>(INT16_MAX, INT32_MAX / (kBlockSum * (k / kSketchBlock)));
  const float unit = most / static_cast<float>(kSketchLimit * scale_limit);
  int32_t bias = 0;
  for (int64_t b = 0; b < k / kSketchBlock; b++) {
    const float block_most = largest_of(x + b * kSketchBlock, size + b * kSketchBlock, kSketchBlock);
    const float scale = unit > 0 ? std::ceil(block_most / (unit * kSketchLimit)) : 0.0f;
    const float inverse = scale > 0 ? 1 / (scale * unit) : 0.0f;
    scales[b] = static_cast<int16_t>(std::min(scale, static_cast<float>(scale_limit)));
    bias += scales[b] * (kSketchBlock / kGroup * kGroupOffset);
    for (int64_t at = b * kSketchBlock; at < (b + 1) * kSketchBlock; at += kGroup, tables += 16) {
      int q[kGroup], none = kGroupOffset;
      for (int i = 0; i < kGroup; i++) none -= q[i] = quant(x[at + i] * size[at + i] * inverse);
      tables[0] = static_cast<uint8_t>(none);
      for (int i = 0; i < kGroup; i++) {
        for (int t = 0; t < 1 << i; t++) tables[t | 1 << i] = static_cast<uint8_t>(tables[t] + 2 * q[i]);
      }
    }
  }
  *query = {tables - k / kGroup * 16, scales, bias};
  return true;
}

}  // namespace nextn
