#include "base/aligned_buffer.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/numa.h"

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

void lock_memory(const uint8_t* first, size_t size) {
  if (size == 0 || mlock2(first, size, MLOCK_ONFAULT) == 0) return;
  const int error = errno;
  struct rlimit limit;
  getrlimit(RLIMIT_MEMLOCK, &limit);
  fail(ErrorCode::kSystem, "--mlock: cannot lock {} bytes: {} (ulimit -l allows {} bytes)", size, std::strerror(error),
       limit.rlim_cur);
}

void interleave_memory(uint8_t* first, size_t size) noexcept {
  constexpr int kInterleave = 3;  // MPOL_INTERLEAVE
  unsigned long nodes[16] = {};
  for (const NumaNode& node : numa_nodes()) {
    if (node.id < static_cast<int>(8 * sizeof nodes)) nodes[node.id / 64] |= 1ul << node.id % 64;
  }
  if (size != 0) syscall(SYS_mbind, first, size, kInterleave, nodes, 8 * sizeof nodes, 0);
}

}  // namespace nextn
