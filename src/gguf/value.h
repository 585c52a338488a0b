// A metadata value of a GGUF file: a typed view into the file's bytes, already checked to lie inside them.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/error.h"

namespace nextn::gguf {

// The values are the numbers of the format.
enum class ValueType : uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64 };
constexpr uint32_t kNumValueTypes = 13;

// "u8" .. "f64", "bool", "string", "array".
std::string_view value_type_name(ValueType type) noexcept;

// Bytes of one value; 0 for strings and arrays.
uint32_t value_type_bytes(ValueType type) noexcept;

// The ValueType of a C++ type. bool is not among them where bytes are copied: any nonzero byte is true.
template <class T>
struct ValueTypeOf;
template <>
struct ValueTypeOf<uint8_t> {
  static constexpr ValueType value = ValueType::kU8;
};
template <>
struct ValueTypeOf<int8_t> {
  static constexpr ValueType value = ValueType::kI8;
};
template <>
struct ValueTypeOf<uint16_t> {
  static constexpr ValueType value = ValueType::kU16;
};
template <>
struct ValueTypeOf<int16_t> {
  static constexpr ValueType value = ValueType::kI16;
};
template <>
struct ValueTypeOf<uint32_t> {
  static constexpr ValueType value = ValueType::kU32;
};
template <>
struct ValueTypeOf<int32_t> {
  static constexpr ValueType value = ValueType::kI32;
};
template <>
struct ValueTypeOf<float> {
  static constexpr ValueType value = ValueType::kF32;
};
template <>
struct ValueTypeOf<bool> {
  static constexpr ValueType value = ValueType::kBool;
};
template <>
struct ValueTypeOf<uint64_t> {
  static constexpr ValueType value = ValueType::kU64;
};
template <>
struct ValueTypeOf<int64_t> {
  static constexpr ValueType value = ValueType::kI64;
};
template <>
struct ValueTypeOf<double> {
  static constexpr ValueType value = ValueType::kF64;
};

struct Value {
  ValueType type = ValueType::kU8;
  ValueType element = ValueType::kU8;  // of an array, never kArray; else the same as type
  uint64_t count = 1;                  // elements of an array; else 1
  std::span<const uint8_t> data;       // the elements as they stand in the file, at any alignment; empty for strings
  std::vector<std::string_view> text;  // the string, or the strings of an array; bytes, not always UTF-8

  bool is_array() const noexcept { return type == ValueType::kArray; }

  // Element i of an array, or the value itself for i = 0. T is the C++ type of `element`, which is not a string.
  template <class T>
  T get(uint64_t i = 0) const noexcept {
    NEXTN_CHECK(element == ValueTypeOf<T>::value && i < count);
    if constexpr (std::is_same_v<T, bool>) {
      return data[i] != 0;
    } else {
      T v;
      std::memcpy(&v, data.data() + i * sizeof(T), sizeof(T));
      return v;
    }
  }

  // "u32", "array of string".
  std::string type_text() const;
};

struct Entry {
  std::string_view key;
  Value value;
};

}  // namespace nextn::gguf
