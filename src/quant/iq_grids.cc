#include "quant/iq_grids.h"

namespace nextn {

namespace codes {
#include "quant/iq_grids.inc"
}

namespace {

template <class Entry, size_t n, size_t n_values>
constexpr IqGrid<Entry, n> expand(const uint16_t (&codes)[n], const uint8_t (&values)[n_values]) {
  constexpr int kBits = n_values == 8 ? 3 : 2;
  IqGrid<Entry, n> grid{};
  for (size_t i = 0; i < n; i++) {
    for (size_t j = 0; j < sizeof(Entry); j++) {
      grid.entries[i] |= Entry{values[codes[i] >> kBits * j & ((1 << kBits) - 1)]} << 8 * j;
    }
  }
  return grid;
}

template <size_t n, size_t n_values>
constexpr IqCodes<n> in_planes(const uint16_t (&codes)[n], const uint8_t (&values)[n_values]) {
  IqCodes<n> all{};
  for (size_t i = 0; i < n; i++) {
    for (size_t p = 0; p < 2; p++) {
      all.planes[p][i] = static_cast<uint8_t>(n_values == 8 ? (codes[i] >> 6 * p & 7) | (codes[i] >> 6 * p & 56) << 1
                                                            : codes[i] >> 8 * p & 255);
    }
  }
  for (size_t j = 0; j < 8; j++) all.sizes[j] = n_values == 8 ? values[j] : j % 4 < n_values ? values[j % 4] : 0;
  return all;
}

constexpr uint8_t kIq2Sizes[] = {8, 25, 43}, kIq1Values[] = {0, 8, 16};
constexpr uint8_t kIq3XxsSizes[] = {4, 12, 20, 28, 36, 44, 52, 62}, kIq3SSizes[] = {1, 3, 5, 7, 9, 11, 13, 15};

// Whether a grid's planes name the weights of its entries.
template <class Entry, size_t n>
constexpr bool same(const IqGrid<Entry, n>& grid, const IqCodes<n>& codes) {
  constexpr size_t kBits = sizeof(Entry) == 4 ? 4 : 2;
  for (size_t i = 0; i < n * sizeof(Entry); i++) {
    const size_t entry = i / sizeof(Entry), weight = i % sizeof(Entry), in_byte = 8 / kBits;
    const unsigned code = codes.planes[weight / in_byte][entry] >> weight % in_byte * kBits;
    if ((grid.entries[entry] >> 8 * weight & 255) != codes.sizes[code & ((1u << kBits) - 1) & 7]) return false;
  }
  return true;
}
static_assert(same(expand<uint64_t>(codes::kIq2XxsCodes, kIq2Sizes), in_planes(codes::kIq2XxsCodes, kIq2Sizes)));
static_assert(same(expand<uint64_t>(codes::kIq2XsCodes, kIq2Sizes), in_planes(codes::kIq2XsCodes, kIq2Sizes)));
static_assert(same(expand<uint32_t>(codes::kIq3XxsCodes, kIq3XxsSizes), in_planes(codes::kIq3XxsCodes, kIq3XxsSizes)));
static_assert(same(expand<uint32_t>(codes::kIq3SCodes, kIq3SSizes), in_planes(codes::kIq3SCodes, kIq3SSizes)));

}  // namespace

constinit const IqGrid<uint64_t, 256> kIq2XxsGrid = expand<uint64_t>(codes::kIq2XxsCodes, kIq2Sizes);
constinit const IqGrid<uint64_t, 512> kIq2XsGrid = expand<uint64_t>(codes::kIq2XsCodes, kIq2Sizes);
constinit const IqGrid<uint64_t, 1024> kIq2SGrid = expand<uint64_t>(codes::kIq2SCodes, kIq2Sizes);
constinit const IqGrid<uint32_t, 256> kIq3XxsGrid = expand<uint32_t>(codes::kIq3XxsCodes, kIq3XxsSizes);
constinit const IqGrid<uint32_t, 512> kIq3SGrid = expand<uint32_t>(codes::kIq3SCodes, kIq3SSizes);
constinit const IqGrid<uint64_t, 2048> kIq1Grid = expand<uint64_t>(codes::kIq1Codes, kIq1Values);

constinit const IqCodes<256> kIq2XxsCodes = in_planes(codes::kIq2XxsCodes, kIq2Sizes);
constinit const IqCodes<512> kIq2XsCodes = in_planes(codes::kIq2XsCodes, kIq2Sizes);
constinit const IqCodes<256> kIq3XxsCodes = in_planes(codes::kIq3XxsCodes, kIq3XxsSizes);
constinit const IqCodes<512> kIq3SCodes = in_planes(codes::kIq3SCodes, kIq3SSizes);

}  // namespace nextn
