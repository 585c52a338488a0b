// The interleaved layout as a table: for each format, which bytes of a file block become which words of a tile block.
// Whole tiles go by transposing 16-byte vectors (the compiler's own, which any instruction set has), single rows and
// the last tile unit by unit.
#include "kernels/pack.h"

#include <cstring>
#include <utility>

namespace nextn {

namespace {

// `count` units of `unit` bytes each, at `offset` in the file's block. In the tile each unit becomes a word of 16
// units, one for each row, and the fields of a block follow one another in the order of the table.
struct Field {
  uint16_t offset, unit, count;
  uint8_t flip;  // xor of every byte
};

struct Layout {
  DType dtype;
  uint16_t block_values, block_bytes;
  Field fields[4];
};

// The float types have no blocks. They are moved kFloatRun inputs at a time so that a row is read in runs.
constexpr int kFloatRun = 64;

constexpr Layout kLayouts[kNumPackFormats] = {
    {DType::kF32, 1, 4, {{0, 4, 1, 0}}},
    {DType::kF16, 1, 2, {{0, 2, 1, 0}}},
    {DType::kBF16, 1, 2, {{0, 2, 1, 0}}},
    {DType::kQ8_0, 32, 34, {{0, 2, 1, 0}, {2, 4, 8, 0x80}}},
    {DType::kQ4_0, 32, 18, {{0, 2, 1, 0}, {2, 4, 4, 0}}},
    {DType::kQ4_K, 256, 144, {{0, 2, 2, 0}, {4, 1, 12, 0}, {16, 4, 32, 0}}},
    {DType::kQ5_K, 256, 176, {{0, 2, 2, 0}, {4, 1, 12, 0}, {16, 4, 8, 0}, {48, 4, 32, 0}}},
    {DType::kQ6_K, 256, 210, {{208, 2, 1, 0}, {192, 1, 16, 0}, {128, 4, 16, 0}, {0, 4, 32, 0}}},
    {DType::kIQ4_XS, 256, 136, {{0, 2, 2, 0}, {4, 1, 4, 0}, {8, 4, 32, 0}}},
};

const Layout& layout_of(PackFormat format) {
  return kLayouts[static_cast<int>(format)];
}

// Moves units between a row (stride 1) and column r of a tile (stride 16), in either direction.
template <class Unit>
void move_units(uint8_t* to, size_t to_stride, const uint8_t* from, size_t from_stride, int count, uint8_t flip) {
  const Unit mask = static_cast<Unit>(0x01010101u * flip);
  for (int i = 0; i < count; i++) {
    Unit value;
    std::memcpy(&value, from + i * from_stride * sizeof(Unit), sizeof(Unit));
    value ^= mask;
    std::memcpy(to + i * to_stride * sizeof(Unit), &value, sizeof(Unit));
  }
}

void move_field(uint8_t* to, size_t to_stride, const uint8_t* from, size_t from_stride, int unit, int count,
                uint8_t flip) {
  switch (unit) {
    case 1:
      return move_units<uint8_t>(to, to_stride, from, from_stride, count, flip);
    case 2:
      return move_units<uint16_t>(to, to_stride, from, from_stride, count, flip);
    default:
      return move_units<uint32_t>(to, to_stride, from, from_stride, count, flip);
  }
}

// Calls move(offset in the row, offset of the field in the tile, unit, count, flip) for every field of every block.
// `move` is called block by block, so what it touches of the tile stays in the first-level cache for all 16 rows.
template <class Move>
void for_each_field(const Layout& layout, int64_t k, const Move& move) {
  if (layout.block_values == 1) {
    const int unit = layout.block_bytes;
    for (int64_t i = 0; i < k; i += kFloatRun) {
      move(i * unit, kTileRows * i * unit, unit, static_cast<int>(k - i < kFloatRun ? k - i : kFloatRun), uint8_t{0});
    }
    return;
  }
  for (int64_t block = 0; block < k / layout.block_values; block++) {
    const int64_t row = block * layout.block_bytes;
    int64_t tile = kTileRows * row;
    for (const Field& field : layout.fields) {
      if (field.count == 0) break;
      move(row + field.offset, tile, field.unit, field.count, field.flip);
      tile += kTileRows * field.unit * field.count;
    }
  }
}

// 16 bytes of units, one from each of `n` rows or n from one row.
template <class Unit>
struct Vector {
  static constexpr int n = 16 / sizeof(Unit);
  typedef Unit type __attribute__((vector_size(16)));
};

template <class V, size_t... i>
V interleave(V a, V b, int half, std::index_sequence<i...>) {
  constexpr size_t n = sizeof...(i);
  return half == 0 ? __builtin_shufflevector(a, b, (i / 2 + i % 2 * n)...)
                   : __builtin_shufflevector(a, b, (n / 2 + i / 2 + i % 2 * n)...);
}

// Transposes `count` units of 16 rows, row_bytes apart, to `count` words. Rows are read up to a whole vector.
template <class Unit>
void transpose_units(uint8_t* words, const uint8_t* rows, size_t row_bytes, int count, uint8_t flip) {
  using V = typename Vector<Unit>::type;
  constexpr int n = Vector<Unit>::n;
  for (int i = 0; i < count; i += n) {
    for (int r = 0; r < kTileRows; r += n) {
      V a[n], b[n];
      for (int j = 0; j < n; j++) {
        std::memcpy(&a[j], rows + static_cast<size_t>(r + j) * row_bytes + static_cast<size_t>(i) * sizeof(Unit), 16);
        a[j] ^= static_cast<Unit>(0x01010101u * flip);
      }
      // Each pass halves the distance between elements that belong together: log2(n) perfect shuffles.
      for (int pass = 1; pass < n; pass *= 2) {
        for (int j = 0; j < n / 2; j++) {
          b[2 * j] = interleave(a[j], a[j + n / 2], 0, std::make_index_sequence<n>());
          b[2 * j + 1] = interleave(a[j], a[j + n / 2], 1, std::make_index_sequence<n>());
        }
        std::memcpy(a, b, sizeof a);
      }
      for (int j = 0; j < n && i + j < count; j++) {
        std::memcpy(words + static_cast<size_t>((i + j) * kTileRows + r) * sizeof(Unit), &a[j], 16);
      }
    }
  }
}

// A field of a whole tile. The bytes of a row that are readable from the field on decide whether vectors may be read.
void transpose_field(uint8_t* words, const uint8_t* rows, size_t row_bytes, int unit, int count, uint8_t flip,
                     int64_t readable) {
  const int64_t whole = (static_cast<int64_t>(unit) * count + 15) / 16 * 16;
  if (whole > readable || unit * count < 8) {
    for (int r = 0; r < kTileRows; r++) {
      move_field(words + r * unit, kTileRows, rows + static_cast<size_t>(r) * row_bytes, 1, unit, count, flip);
    }
    return;
  }
  switch (unit) {
    case 1:
      return transpose_units<uint8_t>(words, rows, row_bytes, count, flip);
    case 2:
      return transpose_units<uint16_t>(words, rows, row_bytes, count, flip);
    default:
      return transpose_units<uint32_t>(words, rows, row_bytes, count, flip);
  }
}

}  // namespace

DType dtype_of(PackFormat format) noexcept {
  return layout_of(format).dtype;
}

size_t tile_bytes(PackFormat format, int64_t k) noexcept {
  const Layout& layout = layout_of(format);
  return static_cast<size_t>(k / layout.block_values) * layout.block_bytes * kTileRows;
}

void pack_tile(PackFormat format, const uint8_t* rows, size_t row_bytes, int n_rows, int64_t k,
               uint8_t* tile) noexcept {
  // Sixteen rows read block by block are more streams than a prefetcher follows, but they lie one after another.
  const size_t file_row = tile_bytes(format, k) / kTileRows;
  if (row_bytes == file_row) {
    for (size_t at = 0; at < static_cast<size_t>(n_rows) * row_bytes; at += 64) __builtin_prefetch(rows + at);
  }
  if (n_rows == kTileRows) {
    for_each_field(layout_of(format), k, [=](int64_t in_row, int64_t in_tile, int unit, int count, uint8_t flip) {
      transpose_field(tile + in_tile, rows + in_row, row_bytes, unit, count, flip,
                      static_cast<int64_t>(file_row) - in_row);
    });
    return;
  }
  std::memset(tile, 0, tile_bytes(format, k));
  for_each_field(layout_of(format), k, [=](int64_t in_row, int64_t in_tile, int unit, int count, uint8_t flip) {
    for (int r = 0; r < n_rows; r++) {
      move_field(tile + in_tile + r * unit, kTileRows, rows + r * row_bytes + in_row, 1, unit, count, flip);
    }
  });
}

void unpack_row(PackFormat format, const uint8_t* tile, int r, int64_t k, uint8_t* row) noexcept {
  for_each_field(layout_of(format), k, [=](int64_t in_row, int64_t in_tile, int unit, int count, uint8_t flip) {
    move_field(row + in_row, 1, tile + in_tile + r * unit, kTileRows, unit, count, flip);
  });
}

}  // namespace nextn
