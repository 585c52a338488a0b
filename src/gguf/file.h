// A GGUF model file, versions 2 and 3, whole or split into parts: its metadata by key and its tensors by name.
// Everything the format demands is checked when it is opened, so that after it nothing asks again whether a view is
// inside the file. What a model needs (which keys, which shapes) is not known here.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mapped_file.h"
#include "gguf/tensor_info.h"
#include "gguf/value.h"

namespace nextn::gguf {

class File {
 public:
  // Opens `path` and, if its keys say that it is the first part of a split model, the other parts, which lie beside it
  // as PREFIX-00002-of-0000N.gguf. Throws Error{kFile} for a file that is not as it should be, Error{kSystem} for one
  // that cannot be opened.
  static File open(const std::string& path);

  // A whole model in memory; the bytes outlive the File and `name` stands for the path in messages. Throws
  // Error{kFile}.
  static File from_memory(std::string name, std::span<const uint8_t> bytes);

  // Of the first part. All metadata is the first part's.
  const std::string& path() const noexcept { return parts_.front().path(); }
  const std::string& path(int part) const noexcept { return parts_[static_cast<size_t>(part)].path(); }
  uint32_t version() const noexcept { return version_; }
  int n_parts() const noexcept { return static_cast<int>(parts_.size()); }
  uint64_t n_bytes() const noexcept;  // of all parts

  std::span<const Entry> metadata() const noexcept { return metadata_; }  // in file order
  const Value* find(std::string_view key) const noexcept;                 // nullptr when absent
  bool has(std::string_view key) const noexcept { return find(key) != nullptr; }

  // Metadata by type. A value of another type throws Error{kFile} "FILE: KEY: expected u32, found i32"; numbers are
  // never converted. The forms without a default throw the same for an absent key.
  uint32_t u32(std::string_view key) const;
  int32_t i32(std::string_view key) const;
  uint64_t u64(std::string_view key) const;
  float f32(std::string_view key) const;
  bool boolean(std::string_view key) const;
  std::string_view string(std::string_view key) const;
  uint32_t u32_or(std::string_view key, uint32_t absent) const;
  int32_t i32_or(std::string_view key, int32_t absent) const;
  float f32_or(std::string_view key, float absent) const;
  bool bool_or(std::string_view key, bool absent) const;
  std::string_view string_or(std::string_view key, std::string_view absent) const;

  // Arrays; the key must be there. u32s and i32s read arrays of either integer type, because writers differ, and throw
  // for an element that does not fit.
  std::vector<std::string_view> strings(std::string_view key) const;
  std::vector<uint32_t> u32s(std::string_view key) const;
  std::vector<int32_t> i32s(std::string_view key) const;
  std::vector<float> f32s(std::string_view key) const;
  std::vector<bool> bools(std::string_view key) const;

  // n values from an array of exactly n or from a scalar that stands for all of them. An absent key gives n times
  // `absent`, or throws when there is none. Types as above: strict for scalars, either integer type in arrays.
  std::vector<uint32_t> u32_or_array(std::string_view key, size_t n, std::optional<uint32_t> absent = {}) const;
  std::vector<int32_t> i32_or_array(std::string_view key, size_t n, std::optional<int32_t> absent = {}) const;
  std::vector<float> f32_or_array(std::string_view key, size_t n, std::optional<float> absent = {}) const;
  std::vector<bool> bool_or_array(std::string_view key, size_t n, std::optional<bool> absent = {}) const;

  // All parts' tensors in file order; names are distinct. The views live as long as the File.
  std::span<const TensorInfo> tensors() const noexcept { return tensors_; }
  const TensorInfo* tensor(std::string_view name) const noexcept;  // nullptr when absent

  // The map whose pages the tensor's data are, which drop_pages may give back; nullptr: they are memory. Lives as long
  // as the File.
  const MappedFile* map_of(const TensorInfo& tensor) const noexcept {
    const MappedFile& part = part_of(tensor);
    return part.is_mapped() ? &part : nullptr;
  }

  // Copies bytes of a tensor's data without touching the map. Gives false when the file has not got them any more.
  bool read(const TensorInfo& tensor, size_t offset, size_t size, uint8_t* to) const noexcept {
    return part_of(tensor).read(tensor.file_offset + offset, size, to);
  }

 private:
  File() = default;

  const MappedFile& part_of(const TensorInfo& tensor) const noexcept {
    return parts_[static_cast<size_t>(tensor.part)];
  }
  void add_part(MappedFile map);
  void add_other_parts(uint16_t n_parts);
  template <class T>
  T scalar(std::string_view key) const;
  template <class T>
  T scalar_or(std::string_view key, T absent) const;
  template <class T>
  std::vector<T> array(std::string_view key) const;
  template <class T>
  std::vector<T> scalar_or_array(std::string_view key, size_t n, std::optional<T> absent) const;
  const Value& required(std::string_view key, std::string_view type) const;
  [[noreturn]] void fail_type(std::string_view key, std::string_view expected, std::string_view found) const;

  std::vector<MappedFile> parts_;
  uint32_t version_ = 0;
  std::vector<Entry> metadata_;
  std::vector<TensorInfo> tensors_;
  std::unordered_map<std::string_view, size_t> keys_, names_;  // into metadata_ and tensors_
};

}  // namespace nextn::gguf
