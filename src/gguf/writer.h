// Writes the container: version 3, little-endian, keys and tensors in the order they were added. The header is made in
// memory; tensor data may be streamed after it, because header() says all offsets from shapes and types alone.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "gguf/value.h"
#include "tensor/dtype.h"

namespace nextn::gguf {

class Writer {
 public:
  // alignment: a power of two. Another than 32 is written as general.alignment.
  explicit Writer(uint32_t alignment = 32);

  // Metadata. A key is added once and is not general.alignment; the value's type is the type of the argument
  // (std::string_view in arrays of strings).
  template <class T>
    requires std::is_arithmetic_v<T>
  void add(std::string_view key, T value) {
    begin_entry(key, kTypeOf<T>);
    put(value);
  }
  void add(std::string_view key, std::string_view value);
  void add(std::string_view key, const char* value) { add(key, std::string_view(value)); }
  template <class T>
  void add_array(std::string_view key, const std::vector<T>& values) {
    begin_array(key, kTypeOf<T>, values.size());
    for (const auto& v : values) put(static_cast<T>(v));
  }
  void add(std::string_view key, const Value& value);  // as it stands in another file

  // Declares the next tensor. shape: fastest axis first, at most 4 dimensions; shape[0] is a multiple of the type's
  // block.
  void add_tensor(std::string_view name, std::span<const int64_t> shape, DType type);

  // Everything before the data, padded to the alignment. After it come the tensors' bytes in order, each padded with
  // zeros to padded(its size).
  std::vector<uint8_t> header() const;
  uint64_t padded(uint64_t n_bytes) const noexcept;
  uint64_t tensor_bytes(size_t i) const noexcept { return tensor_bytes_[i]; }

  // The whole file. data: the bytes of every tensor, in order.
  std::vector<uint8_t> bytes(std::span<const std::vector<uint8_t>> data) const;

 private:
  void begin_entry(std::string_view key, ValueType type);
  void begin_array(std::string_view key, ValueType element, uint64_t count);
  template <class T>
    requires std::is_arithmetic_v<T>
  void put(T value) {
    const auto* p = reinterpret_cast<const uint8_t*>(&value);
    entries_.insert(entries_.end(), p, p + sizeof value);
  }
  void put(std::string_view text);

  uint32_t alignment_;
  uint64_t n_entries_ = 0, next_offset_ = 0;
  std::vector<uint8_t> entries_, tensors_;  // the records
  std::vector<uint64_t> tensor_bytes_;
};

}  // namespace nextn::gguf
