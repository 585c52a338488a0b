#include "grammar/list_table.h"

#include <algorithm>

namespace nextn::grammar {

namespace {

uint64_t hash_of(std::span<const uint64_t> list) {
  uint64_t h = 0x9E3779B97F4A7C15u * (list.size() + 1);
  for (uint64_t x : list) {
    h = (h ^ x) * 0xD6E8FEB86659FD93u;
    h ^= h >> 32;
  }
  return h;
}

}  // namespace

ListTable::ListTable() : starts_{0}, slots_(64, -1) {}

int32_t ListTable::intern(std::span<const uint64_t> list) {
  const size_t mask = slots_.size() - 1;
  size_t slot = hash_of(list) & mask;
  for (; slots_[slot] >= 0; slot = (slot + 1) & mask) {
    if (std::ranges::equal(this->list(slots_[slot]), list)) return slots_[slot];
  }
  const int32_t id = size();
  slots_[slot] = id;
  pool_.insert(pool_.end(), list.begin(), list.end());
  starts_.push_back(pool_.size());
  if (static_cast<size_t>(id + 1) * 2 > slots_.size()) grow();
  return id;
}

void ListTable::grow() {
  slots_.assign(slots_.size() * 2, -1);
  const size_t mask = slots_.size() - 1;
  for (int32_t id = 0; id < size(); id++) {
    size_t slot = hash_of(list(id)) & mask;
    while (slots_[slot] >= 0) slot = (slot + 1) & mask;
    slots_[slot] = id;
  }
}

}  // namespace nextn::grammar
