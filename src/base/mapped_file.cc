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

namespace {

// A fault on a page maps others that are in memory: the 64 KiB around it, and on newer kernels the whole folio that it
// belongs to, all of them within an aligned window of this size. A map begins where a window does and takes its last
// one whole, so that whole windows can be given back.
constexpr size_t kWindow = 2 << 20;

size_t whole_windows(size_t size) noexcept {
  return (size + kWindow - 1) / kWindow * kWindow;
}

// Behind the file's end nothing is mapped that could be read. Gives MAP_FAILED, errno set, when the system refuses;
// what was set aside is then left alone, because a refused map may have given it back already.
void* map_in_windows(int fd, size_t size) noexcept {
  const size_t whole = whole_windows(size);
  void* const taken = mmap(nullptr, whole + kWindow, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (taken == MAP_FAILED) return MAP_FAILED;
  uint8_t* const begin = static_cast<uint8_t*>(taken);
  const size_t before = (kWindow - reinterpret_cast<uintptr_t>(taken) % kWindow) % kWindow;
  uint8_t* const at = begin + before;
  if (before != 0) munmap(begin, before);
  munmap(at + whole, kWindow - before);
  return mmap(at, size, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
}

// Whole units that hold the bytes.
void advise(const uint8_t* first, size_t size, size_t unit, int advice) noexcept {
  const uintptr_t at = reinterpret_cast<uintptr_t>(first);
  const uintptr_t begin = at / unit * unit, end = (at + size + unit - 1) / unit * unit;
  madvise(reinterpret_cast<void*>(begin), end - begin, advice);
}

}  // namespace

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
  void* const p = size == 0 ? nullptr : map_in_windows(fd, size);
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
  if (mapped_) munmap(const_cast<uint8_t*>(bytes_.data()), whole_windows(bytes_.size()));
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

void drop_pages(const uint8_t* first, size_t size) noexcept {
  advise(first, size, kWindow, MADV_DONTNEED);
}

void fetch_pages(const uint8_t* first, size_t size) noexcept {
#ifdef MADV_POPULATE_READ
  constexpr int kAdvice = MADV_POPULATE_READ;
#else
  constexpr int kAdvice = MADV_WILLNEED;
#endif
  advise(first, size, static_cast<size_t>(sysconf(_SC_PAGESIZE)), kAdvice);
}

}  // namespace nextn
