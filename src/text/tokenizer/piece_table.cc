#include "text/tokenizer/piece_table.h"

#include <bit>
#include <functional>

namespace nextn {

PieceTable::PieceTable(size_t n_pieces) : slots_(std::bit_ceil(2 * n_pieces + 2), Slot{nullptr, 0, kNone}) {}

size_t PieceTable::slot_of(std::string_view piece) const noexcept {
  const size_t last = slots_.size() - 1;
  size_t slot = std::hash<std::string_view>()(piece) & last;
  while (slots_[slot].size != 0 && std::string_view(slots_[slot].data, slots_[slot].size) != piece) {
    slot = (slot + 1) & last;
  }
  return slot;
}

void PieceTable::put(std::string_view piece, int32_t id) noexcept {
  slots_[slot_of(piece)] = {piece.data(), static_cast<uint32_t>(piece.size()), id};
}

int32_t PieceTable::find(std::string_view piece) const noexcept {
  return slots_[slot_of(piece)].id;
}

}  // namespace nextn
