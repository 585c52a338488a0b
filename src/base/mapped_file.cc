#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace nextn {

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(ErrorCode::kSystem, "{}: cannot open: {}", path, std::strerror(errno));
  struct stat st;
  const bool statted = fstat(fd, &st) == 0;
  if (!statted || !S_ISREG(st.st_mode)) {
    close(fd);
    fail(ErrorCode::kFile, "{}: expected a regular file", path);
  }
  const size_t size = static_cast<size_t>(st.st_size);
  void* p = size == 0 ? nullptr : mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (p == MAP_FAILED) {
    const int error = errno;
    close(fd);
    fail(ErrorCode::kSystem, "{}: cannot map {} bytes: {}", path, size, std::strerror(error));
  }
  bytes_ = {static_cast<const uint8_t*>(p), size};
  mapped_ = size != 0;
  fd_ = fd;
}

MappedFile::~MappedFile() {
  if (mapped_) munmap(const_cast<uint8_t*>(bytes_.data()), bytes_.size());
  if (fd_ >= 0) close(fd_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      bytes_(other.bytes_),
      mapped_(std::exchange(other.mapped_, false)),
      fd_(std::exchange(other.fd_, -1)) {}

bool MappedFile::read(size_t offset, size_t size, uint8_t* to) const noexcept {
  if (fd_ < 0) {
    std::memcpy(to, bytes_.data() + offset, size);
    return true;
  }
  while (size > 0) {
    const ssize_t n = pread(fd_, to, size, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    to += n;
    offset += static_cast<size_t>(n);
    size -= static_cast<size_t>(n);
  }
  return true;
}

namespace {

void advise(const uint8_t* first, size_t size, int advice) noexcept {
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE)), at = reinterpret_cast<uintptr_t>(first);
  const uintptr_t begin = at / page * page, end = (at + size + page - 1) / page * page;
  madvise(reinterpret_cast<void*>(begin), end - begin, advice);
}

}  // namespace

void drop_pages(const uint8_t* first, size_t size) noexcept {
  advise(first, size, MADV_DONTNEED);
}

void fetch_pages(const uint8_t* first, size_t size) noexcept {
#ifdef MADV_POPULATE_READ
  advise(first, size, MADV_POPULATE_READ);
#else
  advise(first, size, MADV_WILLNEED);
#endif
}

}  // namespace nextn
