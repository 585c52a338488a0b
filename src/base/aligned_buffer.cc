#include "base/aligned_buffer.h"

#include <sys/mman.h>

#include "base/error.h"

namespace nextn {

// Anonymous maps are zeroed, page-aligned, and cost nothing until they are touched.
AlignedBuffer::AlignedBuffer(size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) fail(ErrorCode::kSystem, "memory: expected {} bytes, the system has not got them", bytes);
  data_ = static_cast<uint8_t*>(p);
  constexpr size_t kHugePage = 2u << 20;
  if (bytes >= 2 * kHugePage) madvise(p, bytes, MADV_HUGEPAGE);
}

AlignedBuffer::~AlignedBuffer() {
  if (data_ != nullptr) munmap(data_, size_);
}

}  // namespace nextn
