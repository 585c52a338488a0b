#include <cmath>
#include <cstdint>

#include "base/fp16.h"
#include "kernels/scalar/functions.h"
#include "quant/decode.h"

namespace nextn::scalar {

void sketch_tile(PackFormat format, const uint8_t* tile, int64_t k, const float* mean, const float* size,
                 uint8_t* signs, float* sum) {
  constexpr int64_t kPiece = 256;  // whole blocks of every format
  for (int r = 0; r < kTileRows; r++) {
    for (int64_t at = 0; at < k; at += kPiece) {
      const int64_t n = k - at < kPiece ? k - at : kPiece;
      uint8_t block[kPiece * sizeof(float)];
      float w[kPiece];
      unpack_row(format, tile + tile_bytes(format, at), r, n, block);
      decode_row(dtype_of(format), block, n, w);
      for (int64_t j = 0; j < n; j++) {
        const float d = w[j] + 0.0f - mean[at + j];  // no negative zero
        uint8_t& byte = signs[(at + j) / 8 * kSketchRows + r];
        if (j % 8 == 0) byte = 0;
        byte |= static_cast<uint8_t>((bits_of_float(d) >> 31 ^ 1) << j % 8);
        sum[r] = __builtin_fmaf(std::fabs(d), size[at + j], sum[r]);
      }
    }
  }
}

void sketch(const SketchArgs& args, int64_t tile_first, int64_t tile_last) {
  for (int64_t t = tile_first; t < tile_last; t++) {
    const uint8_t* const signs = args.signs + t * (args.k / 8 * kSketchRows);
    for (int r = 0; r < kSketchRows; r++) {
      int32_t sum = -args.query.bias;
      for (int64_t j = 0; j < args.k / 8; j++) {
        const int byte = signs[j * kSketchRows + r];
        const uint8_t* const table = args.query.tables + 32 * j;
        sum += args.query.scales[8 * j / kSketchBlock] * (table[byte & 15] + table[16 + (byte >> 4)]);
      }
      const float scale = args.scale[t * kSketchRows + sketch_place(r)];
      const float estimate = scale * static_cast<float>(sum) + 0.0f;  // no negative zero
      float& best = args.best[(t * kSketchRows + r) / kTileRows];
      if (r % kTileRows == 0 || estimate > best) best = estimate;
    }
  }
}

}  // namespace nextn::scalar
