// Numbers for lists: equal lists get equal numbers. What makes states and stacks comparable by one integer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace nextn::grammar {

class ListTable {
 public:
  ListTable();

  // The list's number; numbers are given in order, from 0.
  int32_t intern(std::span<const uint64_t> list);

  // Lives until the next intern.
  std::span<const uint64_t> list(int32_t id) const noexcept {
    const auto i = static_cast<size_t>(id);
    return std::span(pool_).subspan(starts_[i], starts_[i + 1] - starts_[i]);
  }
  int32_t size() const noexcept { return static_cast<int32_t>(starts_.size()) - 1; }
  size_t size_bytes() const noexcept {
    return pool_.size() * sizeof(uint64_t) + starts_.size() * sizeof(size_t) + slots_.size() * sizeof(int32_t);
  }

 private:
  void grow();

  std::vector<uint64_t> pool_;  // of all lists, one after another
  std::vector<size_t> starts_;  // in pool_, one more than there are lists
  std::vector<int32_t> slots_;  // open addressing; -1: free
};

}  // namespace nextn::grammar
