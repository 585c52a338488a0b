// The interleaved layout as a table: for each format, which bytes of a file block become which words of a tile block.
// Whole tiles go by transposing 16-byte vectors (the compiler's own, which any instruction set has), single rows and
// the last tile unit by unit.
#include "kernels/pack.h"

#include <cstring>
#include <utility>

namespace nextn {

namespace {

// What becomes of the groups of a field on their way into a tile (pack.h). kSecondSigns: of every second group.
enum class Form : uint8_t { kPlain, kFlipped, kTurned, kSigns, kSecondSigns, kSplit };

// `count` units of `unit` bytes each, at `offset` in the file's block. In the tile each unit becomes a word of 16
// units, one for each row, and the fields of a block follow one another in the order of the table; but `step` fields
// with that step take turns, word by word.
struct Field {
  uint16_t offset, unit, count;
  Form form = Form::kPlain;  // else the unit is 4 and the step 1
  uint16_t step = 1;
};
constexpr Field woven(uint16_t offset) {  // whose words take turns with those of two others
  return {offset, 4, 8, Form::kPlain, 3};
}

struct Layout {
  DType dtype;
  uint16_t block_values, block_bytes;
  Field fields[8];
};

// The float types have no blocks. They are moved kFloatRun inputs at a time so that a row is read in runs.
constexpr int kFloatRun = 64;

constexpr Layout kLayouts[kNumPackFormats] = {
    {DType::kF32, 1, 4, {{0, 4, 1}}},
    {DType::kF16, 1, 2, {{0, 2, 1}}},
    {DType::kBF16, 1, 2, {{0, 2, 1}}},
    {DType::kQ8_0, 32, 34, {{0, 2, 1}, {2, 4, 8, Form::kFlipped}}},
    {DType::kQ4_0, 32, 18, {{0, 2, 1}, {2, 4, 4}}},
    {DType::kQ4_K, 256, 144, {{0, 2, 2}, {4, 1, 12}, {16, 4, 32}}},
    {DType::kQ5_K, 256, 176, {{0, 2, 2}, {4, 1, 12}, {16, 4, 8}, {48, 4, 32}}},
    {DType::kQ6_K,
     256,
     210,
     {{208, 2, 1}, {192, 1, 16}, woven(128), woven(0), woven(32), woven(160), woven(64), woven(96)}},
    {DType::kIQ4_XS, 256, 136, {{0, 2, 2}, {4, 1, 4}, {8, 4, 32}}},
    {DType::kQ4_1, 32, 20, {{0, 2, 2}, {4, 4, 4}}},
    {DType::kQ5_0, 32, 22, {{0, 2, 1}, {2, 4, 1, Form::kTurned}, {6, 4, 4}}},
    {DType::kQ5_1, 32, 24, {{0, 2, 2}, {4, 4, 1, Form::kTurned}, {8, 4, 4}}},
    {DType::kIQ4_NL, 32, 18, {{0, 2, 1}, {2, 4, 4}}},
    {DType::kMXFP4, 32, 17, {{0, 1, 1}, {1, 4, 4}}},
    {DType::kNVFP4, 64, 36, {{0, 1, 4}, {4, 4, 8}}},
    {DType::kQ2_K, 256, 84, {{80, 2, 2}, {0, 1, 16}, {16, 4, 16}}},
    {DType::kQ3_K, 256, 110, {{108, 2, 1}, {96, 1, 12}, {0, 4, 8}, {32, 4, 16}}},
    {DType::kIQ2_XXS, 256, 66, {{0, 2, 1}, {2, 4, 16, Form::kSecondSigns}}},
    {DType::kIQ2_XS, 256, 74, {{0, 2, 1}, {66, 1, 8}, {2, 4, 16, Form::kSplit}}},
    {DType::kIQ2_S, 256, 82, {{0, 2, 1}, {66, 1, 16}, {2, 1, 32}, {34, 4, 8, Form::kTurned}}},
    {DType::kIQ3_XXS, 256, 98, {{0, 2, 1}, {2, 1, 64}, {66, 4, 8, Form::kSigns}}},
    {DType::kIQ3_S, 256, 110, {{0, 2, 1}, {66, 1, 8}, {106, 1, 4}, {2, 1, 64}, {74, 4, 8, Form::kTurned}}},
    {DType::kIQ1_S, 256, 50, {{0, 2, 1}, {34, 2, 8}, {2, 1, 32}}},
    {DType::kIQ1_M, 256, 56, {{48, 2, 4}, {0, 1, 48}}},
    {DType::kTQ1_0, 256, 54, {{52, 2, 1}, {0, 4, 13}}},
    {DType::kTQ2_0, 256, 66, {{64, 2, 1}, {0, 4, 16}}},
};

const Layout& layout_of(PackFormat format) {
  return kLayouts[static_cast<int>(format)];
}

constexpr uint32_t kFlip = 0x80808080;

// The bits of `mask` change places with those `distance` above them.
inline uint32_t swap_bits(uint32_t x, uint32_t mask, int distance) {
  const uint32_t t = (x >> distance ^ x) & mask;
  return x ^ t ^ t << distance;
}

// Bit 4g + j to bit 8j + g; as bit 2i to i and 2i + 1 to 16 + i, twice. And back.
inline uint32_t turn(uint32_t x) {
  for (int i = 0; i < 2; i++) {
    x = swap_bits(swap_bits(x, 0x22222222, 1), 0x0c0c0c0c, 2);
    x = swap_bits(swap_bits(x, 0x00f000f0, 4), 0x0000ff00, 8);
  }
  return x;
}
uint32_t turn_back(uint32_t x) {
  for (int i = 0; i < 2; i++) {
    x = swap_bits(swap_bits(x, 0x0000ff00, 8), 0x00f000f0, 4);
    x = swap_bits(swap_bits(x, 0x0c0c0c0c, 2), 0x22222222, 1);
  }
  return x;
}

// Four times seven sign bits and four bits above them to four bytes of seven bits and one, turned. And back.
inline uint32_t turn_signs(uint32_t x) {
  uint32_t out = 0;
  for (int l = 0; l < 4; l++) out |= (x >> 7 * l & 127) << 8 * l | (x >> (28 + l) & 1) << (8 * l + 7);
  return turn(out);
}
uint32_t turn_signs_back(uint32_t x) {
  x = turn_back(x);
  uint32_t out = 0;
  for (int l = 0; l < 4; l++) out |= (x >> 8 * l & 127) << 7 * l | (x >> (8 * l + 7) & 1) << (28 + l);
  return out;
}

// Two groups of four 16-bit units, nine bits of an index and seven signs each, to the lower eight bits of the indices
// and a group of signs.
inline void split(uint32_t& first, uint32_t& second) {
  uint32_t low = 0, signs = 0;
  for (int l = 0; l < 4; l++) {
    const uint32_t unit = (l < 2 ? first : second) >> 16 * (l % 2);
    low |= (unit & 255) << 8 * l;
    signs |= (unit >> 9 & 127) << 7 * l | (unit >> 8 & 1) << (28 + l);
  }
  first = low;
  second = turn_signs(signs);
}

// The groups of some rows from what they are in the file to what they are in a tile: g[i] is group i of each row. The
// loops over rows are for the compiler to vectorise.
template <int rows>
void to_tile(Form form, uint32_t (*g)[rows], int count) {
  for (int i = 0; i < count; i++) {
    if (form == Form::kFlipped) {
      for (int r = 0; r < rows; r++) g[i][r] ^= kFlip;
    } else if (form == Form::kTurned) {
      for (int r = 0; r < rows; r++) g[i][r] = turn(g[i][r]);
    } else if (form == Form::kSigns || (form == Form::kSecondSigns && i % 2 == 1)) {
      for (int r = 0; r < rows; r++) g[i][r] = turn_signs(g[i][r]);
    } else if (form == Form::kSplit && i % 2 == 1) {
      for (int r = 0; r < rows; r++) split(g[i - 1][r], g[i][r]);
    }
  }
}
void to_file(Form form, uint32_t* g, int count) {
  for (int i = 0; i < count; i++) {
    if (form == Form::kFlipped) g[i] ^= kFlip;
    if (form == Form::kTurned) g[i] = turn_back(g[i]);
    if (form == Form::kSigns || (form == Form::kSecondSigns && i % 2 == 1)) g[i] = turn_signs_back(g[i]);
    if (form == Form::kSplit && i % 2 == 1) {
      const uint32_t low = g[i - 1], signs = turn_signs_back(g[i]);
      g[i - 1] = g[i] = 0;
      for (int l = 0; l < 4; l++) {
        const uint32_t unit = (low >> 8 * l & 255) | (signs >> (28 + l) & 1) << 8 | (signs >> 7 * l & 127) << 9;
        g[i - 1 + l / 2] |= unit << 16 * (l % 2);
      }
    }
  }
}

// The units of a row, in the file with stride 1, in a tile with stride 16.
template <class Unit>
void move_units(uint8_t* to, size_t to_stride, const uint8_t* from, size_t from_stride, int count) {
  for (int i = 0; i < count; i++) {
    std::memcpy(to + i * to_stride * sizeof(Unit), from + i * from_stride * sizeof(Unit), sizeof(Unit));
  }
}

void move_field(uint8_t* to, size_t to_stride, const uint8_t* from, size_t from_stride, const Field& field) {
  switch (field.unit) {
    case 1:
      return move_units<uint8_t>(to, to_stride, from, from_stride, field.count);
    case 2:
      return move_units<uint16_t>(to, to_stride, from, from_stride, field.count);
    default:
      return move_units<uint32_t>(to, to_stride, from, from_stride, field.count);
  }
}

constexpr int kMostGroups = 16;  // of a field whose form is not plain

void pack_field(uint8_t* column, const uint8_t* row, const Field& field) {
  if (field.form == Form::kPlain) return move_field(column, kTileRows * field.step, row, 1, field);
  uint32_t groups[kMostGroups][1];
  std::memcpy(groups, row, 4u * field.count);
  to_tile(field.form, groups, field.count);
  move_field(column, kTileRows, reinterpret_cast<const uint8_t*>(groups), 1, field);
}

void unpack_field(uint8_t* row, const uint8_t* column, const Field& field) {
  move_field(row, 1, column, kTileRows * field.step, field);
  if (field.form == Form::kPlain) return;
  uint32_t groups[kMostGroups];
  std::memcpy(groups, row, 4u * field.count);
  to_file(field.form, groups, field.count);
  std::memcpy(row, groups, 4u * field.count);
}

// Calls move(offset in the row, offset of the field in the tile, field) for every field of every block. `move` is
// called block by block, so what it touches of the tile stays in the first-level cache for all 16 rows.
template <class Move>
void for_each_field(const Layout& layout, int64_t k, const Move& move) {
  if (layout.block_values == 1) {
    const int unit = layout.block_bytes;
    for (int64_t i = 0; i < k; i += kFloatRun) {
      const int64_t n = k - i < kFloatRun ? k - i : kFloatRun;
      move(i * unit, kTileRows * i * unit, Field{0, static_cast<uint16_t>(unit), static_cast<uint16_t>(n)});
    }
    return;
  }
  for (int64_t block = 0; block < k / layout.block_values; block++) {
    const int64_t row = block * layout.block_bytes;
    int64_t tile = kTileRows * row;
    int place = 0;  // among those that take turns
    for (const Field& field : layout.fields) {
      if (field.count == 0) break;
      const int64_t word = kTileRows * field.unit;
      move(row + field.offset, tile + place * word, field);
      if (++place < field.step) continue;
      tile += word * field.count * field.step;
      place = 0;
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

// Transposes `count` units of 16 rows, row_bytes apart, to `count` words, each `step` words after the one before. Rows
// are read up to a whole vector.
template <class Unit>
void transpose_units(uint8_t* words, const uint8_t* rows, size_t row_bytes, int count, int step) {
  using V = typename Vector<Unit>::type;
  constexpr int n = Vector<Unit>::n;
  for (int i = 0; i < count; i += n) {
    for (int r = 0; r < kTileRows; r += n) {
      V a[n], b[n];
      for (int j = 0; j < n; j++) {
        std::memcpy(&a[j], rows + static_cast<size_t>(r + j) * row_bytes + static_cast<size_t>(i) * sizeof(Unit), 16);
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
        std::memcpy(words + static_cast<size_t>((i + j) * step * kTileRows + r) * sizeof(Unit), &a[j], 16);
      }
    }
  }
}

// The same for units too few for vectors.
template <class Unit>
void gather_units(uint8_t* words, const uint8_t* rows, size_t row_bytes, int count) {
  for (int i = 0; i < count; i++, rows += sizeof(Unit)) {
    for (size_t r = 0; r < kTileRows; r++, words += sizeof(Unit)) {
      std::memcpy(words, rows + r * row_bytes, sizeof(Unit));
    }
  }
}

// Either, by their number; `step` is not for so few.
template <class Unit>
void transpose(uint8_t* words, const uint8_t* rows, size_t row_bytes, int count, int step = 1) {
  if (static_cast<size_t>(count) * sizeof(Unit) < 8) return gather_units<Unit>(words, rows, row_bytes, count);
  transpose_units<Unit>(words, rows, row_bytes, count, step);
}

// A field of a whole tile. The bytes of a row that are readable from the field on decide whether vectors may be read.
void transpose_field(uint8_t* words, const uint8_t* rows, size_t row_bytes, const Field& field, int64_t readable) {
  const int bytes = field.unit * field.count;
  if (bytes >= 8 && (bytes + 15) / 16 * 16 > readable) {
    for (int r = 0; r < kTileRows; r++) {
      pack_field(words + r * field.unit, rows + static_cast<size_t>(r) * row_bytes, field);
    }
    return;
  }
  if (field.unit == 1) return transpose<uint8_t>(words, rows, row_bytes, field.count);
  if (field.unit == 2) return transpose<uint16_t>(words, rows, row_bytes, field.count);
  if (field.form == Form::kPlain) return transpose<uint32_t>(words, rows, row_bytes, field.count, field.step);
  uint32_t groups[kMostGroups][kTileRows];
  transpose<uint32_t>(reinterpret_cast<uint8_t*>(groups), rows, row_bytes, field.count);
  to_tile(field.form, groups, field.count);
  std::memcpy(words, groups, static_cast<size_t>(field.count) * sizeof groups[0]);
}

}  // namespace

DType dtype_of(PackFormat format) noexcept {
  return layout_of(format).dtype;
}

std::optional<PackFormat> pack_format_of(DType type) noexcept {
  for (int f = 0; f < kNumPackFormats; f++) {
    if (kLayouts[f].dtype == type) return static_cast<PackFormat>(f);
  }
  return std::nullopt;
}

size_t tile_bytes(PackFormat format, int64_t k) noexcept {
  const Layout& layout = layout_of(format);
  return static_cast<size_t>(k / layout.block_values) * layout.block_bytes * kTileRows;
}

void pack_tile(PackFormat format, const uint8_t* rows, size_t row_bytes, int n_rows, int64_t k, uint8_t* tile,
               const uint8_t* next) noexcept {
  if (n_rows == kTileRows) {
    const int64_t file_row = static_cast<int64_t>(tile_bytes(format, k)) / kTileRows;
    int64_t fetched = 0;
    for_each_field(layout_of(format), k, [=, &fetched](int64_t in_row, int64_t in_tile, const Field& field) {
      // Sixteen rows read block by block are more streams than a prefetcher follows.
      const int64_t packed = in_tile + kTileRows * field.unit * ((field.count - 1) * field.step + 1);
      for (; next != nullptr && fetched < packed; fetched += 64) __builtin_prefetch(next + fetched);
      transpose_field(tile + in_tile, rows + in_row, row_bytes, field, file_row - in_row);
    });
    return;
  }
  std::memset(tile, 0, tile_bytes(format, k));
  for_each_field(layout_of(format), k, [=](int64_t in_row, int64_t in_tile, const Field& field) {
    for (int r = 0; r < n_rows; r++) pack_field(tile + in_tile + r * field.unit, rows + r * row_bytes + in_row, field);
  });
}

void unpack_row(PackFormat format, const uint8_t* tile, int r, int64_t k, uint8_t* row) noexcept {
  for_each_field(layout_of(format), k, [=](int64_t in_row, int64_t in_tile, const Field& field) {
    unpack_field(row + in_row, tile + in_tile + r * field.unit, field);
  });
}

}  // namespace nextn
