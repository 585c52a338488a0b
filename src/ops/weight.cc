#include "ops/weight.h"

#include <algorithm>

#include "quant/widen.h"

namespace nextn {

void pack_rows(const Weight& w, int64_t t, const uint8_t* rows, int64_t row_bytes, DType type, uint8_t* wide,
               uint8_t* tile) noexcept {
  const int n_rows = static_cast<int>(std::min<int64_t>(kTileRows, w.n_out - t * kTileRows));
  const DType packed_type = dtype_of(w.format);
  if (type != packed_type) {
    const int64_t wide_bytes = static_cast<int64_t>(tile_bytes(w.format, w.k)) / kTileRows;
    for (int r = 0; r < n_rows; r++) {
      convert_row(type, packed_type, rows + r * row_bytes, w.k, wide + r * wide_bytes);
    }
    rows = wide;
    row_bytes = wide_bytes;
  }
  pack_tile(w.format, rows, static_cast<size_t>(row_bytes), n_rows, w.k, tile);
}

}  // namespace nextn
