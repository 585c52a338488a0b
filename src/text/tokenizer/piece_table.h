// Ids by the bytes of what they name: one table without nodes, because a vocabulary is a quarter of a million entries
// and is read while a user waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace nextn {

class PieceTable {
 public:
  static constexpr int32_t kNone = -1;

  // For up to n_pieces, whose bytes must outlive the table.
  explicit PieceTable(size_t n_pieces = 0);

  void put(std::string_view piece, int32_t id) noexcept;  // piece is not empty; of equal ones the last counts
  int32_t find(std::string_view piece) const noexcept;    // kNone when absent

 private:
  struct Slot {
    const char* data;
    uint32_t size;  // 0: empty
    int32_t id;
  };

  size_t slot_of(std::string_view piece) const noexcept;  // where it is, or would be

  std::vector<Slot> slots_;  // open addressing; a power of two of them, at most half in use
};

}  // namespace nextn
