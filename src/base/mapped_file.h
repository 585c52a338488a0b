// A file mapped read-only into memory, or a block of bytes that stands in for one (the embedded demo model, a test).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace nextn {

class MappedFile {
 public:
  // Maps the whole file. Throws Error{kSystem} naming the path when it cannot be opened or mapped, Error{kFile} when it
  // is not a regular file.
  explicit MappedFile(const std::string& path);

  // A view of bytes that outlive it; `name` stands for the path in messages.
  MappedFile(std::string name, std::span<const uint8_t> bytes) : path_(std::move(name)), bytes_(bytes) {}

  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const noexcept { return path_; }
  std::span<const uint8_t> bytes() const noexcept { return bytes_; }

  // Whether bytes() are pages of a file, which drop_pages may give back.
  bool is_mapped() const noexcept { return mapped_; }

  // Copies a part of the file without touching the map. Gives false when the file has not got it any more.
  bool read(size_t offset, size_t size, uint8_t* to) const noexcept;

 private:
  std::string path_;
  std::span<const uint8_t> bytes_;
  bool mapped_ = false;
  int fd_ = -1;  // of a mapped file
};

// Tells the system that these bytes of a map are not needed any more: their pages leave the resident size and come back
// from the file when touched again. What a fault on one of them has brought in around it goes too, and with it pages
// that another thread reads there, which come back. Only for maps of a MappedFile: at their ends nothing else is
// touched.
void drop_pages(const uint8_t* first, size_t size) noexcept;

// Makes the bytes of a map resident at once rather than page by page, as far as the system can.
void fetch_pages(const uint8_t* first, size_t size) noexcept;

}  // namespace nextn
