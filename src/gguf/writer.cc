#include "gguf/writer.h"

#include <bit>
#include <cstring>

#include "base/error.h"

namespace nextn::gguf {

namespace {

template <class T>
void append(std::vector<uint8_t>& out, T value) {
  out.resize(out.size() + sizeof value);
  std::memcpy(out.data() + out.size() - sizeof value, &value, sizeof value);
}

void append(std::vector<uint8_t>& out, std::string_view text) {
  append(out, uint64_t{text.size()});
  out.insert(out.end(), text.begin(), text.end());
}

}  // namespace

Writer::Writer(uint32_t alignment) : alignment_(alignment) {
  NEXTN_CHECK(std::has_single_bit(alignment));
  if (alignment != 32) add("general.alignment", alignment);
}

void Writer::put(std::string_view text) {
  append(entries_, text);
}

void Writer::begin_entry(std::string_view key, ValueType type) {
  n_entries_++;
  put(key);
  put(static_cast<uint32_t>(type));
}

void Writer::begin_array(std::string_view key, ValueType element, uint64_t count) {
  begin_entry(key, ValueType::kArray);
  put(static_cast<uint32_t>(element));
  put(count);
}

void Writer::add(std::string_view key, std::string_view value) {
  begin_entry(key, ValueType::kString);
  put(value);
}

void Writer::add(std::string_view key, const Value& value) {
  if (value.is_array()) {
    begin_array(key, value.element, value.count);
  } else {
    begin_entry(key, value.type);
  }
  entries_.insert(entries_.end(), value.data.begin(), value.data.end());
  for (const std::string_view text : value.text) put(text);
}

void Writer::add_tensor(std::string_view name, std::span<const int64_t> shape, DType type) {
  const DTypeInfo& info = dtype_info(type);
  NEXTN_CHECK(shape.size() <= 4 && (shape.empty() ? 1 : shape[0]) % info.block_values == 0);
  int64_t n_values = 1;
  append(tensors_, name);
  append(tensors_, static_cast<uint32_t>(shape.size()));
  for (const int64_t n : shape) {
    append(tensors_, n);
    n_values *= n;
  }
  append(tensors_, static_cast<uint32_t>(type));
  append(tensors_, next_offset_);
  tensor_bytes_.push_back(static_cast<uint64_t>(n_values) / info.block_values * info.block_bytes);
  next_offset_ += padded(tensor_bytes_.back());
}

uint64_t Writer::padded(uint64_t n_bytes) const noexcept {
  return (n_bytes + alignment_ - 1) & ~(uint64_t{alignment_} - 1);
}

std::vector<uint8_t> Writer::header() const {
  std::vector<uint8_t> out;
  append(out, uint32_t{0x46554747});  // "GGUF"
  append(out, uint32_t{3});
  append(out, uint64_t{tensor_bytes_.size()});
  append(out, n_entries_);
  out.insert(out.end(), entries_.begin(), entries_.end());
  out.insert(out.end(), tensors_.begin(), tensors_.end());
  out.resize(padded(out.size()));
  return out;
}

std::vector<uint8_t> Writer::bytes(std::span<const std::vector<uint8_t>> data) const {
  NEXTN_CHECK(data.size() == tensor_bytes_.size());
  std::vector<uint8_t> out = header();
  for (size_t i = 0; i < data.size(); i++) {
    NEXTN_CHECK(data[i].size() == tensor_bytes_[i]);
    out.insert(out.end(), data[i].begin(), data[i].end());
    out.resize(padded(out.size()));
  }
  return out;
}

}  // namespace nextn::gguf
