// The grids of the IQ formats below 4 bits (blocks.h): which groups of weights an index names. An entry has a weight in
// each byte, the first in the lowest. In iq_grids.inc they take two or three bits a weight; here they are ready for
// use.
#pragma once

#include <cstddef>
#include <cstdint>

namespace nextn {

template <class Entry, size_t n>
struct IqGrid {
  Entry entries[n];
};

extern const IqGrid<uint64_t, 256> kIq2XxsGrid;  // sizes: 8, 25, 43
extern const IqGrid<uint64_t, 512> kIq2XsGrid;   //
extern const IqGrid<uint64_t, 1024> kIq2SGrid;   //
extern const IqGrid<uint32_t, 256> kIq3XxsGrid;  // sizes: 4, 12, 20, 28, 36, 44, 52, 62
extern const IqGrid<uint32_t, 512> kIq3SGrid;    // sizes: 1, 3 .. 15
extern const IqGrid<uint64_t, 2048> kIq1Grid;    // 0, 8, 16: eight times the grid's value, plus 8

// Those with up to 512 entries as numbers of sizes. planes[p][i] holds those of entry i's weights 4p .. 4p + 3, two
// bits each, or of 2p and 2p + 1, four bits each; sizes may be read at numbers with another bit above two.
template <size_t n>
struct IqCodes {
  alignas(64) uint8_t planes[2][n];
  uint8_t sizes[8];
};

extern const IqCodes<256> kIq2XxsCodes;
extern const IqCodes<512> kIq2XsCodes;
extern const IqCodes<256> kIq3XxsCodes;
extern const IqCodes<512> kIq3SCodes;

}  // namespace nextn
