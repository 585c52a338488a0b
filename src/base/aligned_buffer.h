// An owning, 64-byte aligned, zeroed block of bytes; asks for huge pages when it is large.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace nextn {

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t bytes);  // throws Error{kSystem} when the memory is not to be had
  ~AlignedBuffer();
  AlignedBuffer(AlignedBuffer&& other) noexcept { swap(other); }
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    swap(other);
    return *this;
  }

  uint8_t* data() noexcept { return data_; }
  const uint8_t* data() const noexcept { return data_; }
  size_t size() const noexcept { return size_; }

  template <class T>
  T* as() noexcept {
    return reinterpret_cast<T*>(data_);
  }
  template <class T>
  const T* as() const noexcept {
    return reinterpret_cast<const T*>(data_);
  }

 private:
  void swap(AlignedBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

// Keeps the bytes from being swapped out, from the moment they are touched. Throws Error{kSystem} naming the limit.
void lock_memory(const uint8_t* first, size_t size);

// Spreads the pages over all of the machine's memory nodes as they are touched; nothing where there is one.
void interleave_memory(uint8_t* first, size_t size) noexcept;

}  // namespace nextn
