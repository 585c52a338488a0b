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

  // Tells the system that this part of the map is not needed any more: its pages leave the resident size. They come
  // back from the file when touched again.
  void release(size_t offset, size_t size) const noexcept;

 private:
  std::string path_;
  std::span<const uint8_t> bytes_;
  bool mapped_ = false;
};

}  // namespace nextn
