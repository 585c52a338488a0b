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

// The ValueType of a C++ type.
template <class T>
constexpr ValueType kTypeOf = ValueType::kArray;
template <>
inline constexpr ValueType kTypeOf<uint8_t> = ValueType::kU8;
template <>
inline constexpr ValueType kTypeOf<int8_t> = ValueType::kI8;
template <>
inline constexpr ValueType kTypeOf<uint16_t> = ValueType::kU16;
template <>
inline constexpr ValueType kTypeOf<int16_t> = ValueType::kI16;
template <>
inline constexpr ValueType kTypeOf<uint32_t> = ValueType::kU32;
template <>
inline constexpr ValueType kTypeOf<int32_t> = ValueType::kI32;
template <>
inline constexpr ValueType kTypeOf<float> = ValueType::kF32;
template <>
inline constexpr ValueType kTypeOf<bool> = ValueType::kBool;
template <>
inline constexpr ValueType kTypeOf<uint64_t> = ValueType::kU64;
template <>
inline constexpr ValueType kTypeOf<int64_t> = ValueType::kI64;
template <>
inline constexpr ValueType kTypeOf<double> = ValueType::kF64;
template <>
inline constexpr ValueType kTypeOf<std::string_view> = ValueType::kString;

struct Value {
  ValueType type = ValueType::kU8;
  ValueType element = ValueType::kU8;  // of an array, never kArray; else the same as type
  uint64_t count = 1;                  // elements of an array; else 1
  std::span<const uint8_t> data;       // the elements as they stand in the file, at any alignment; empty for strings
  std::vector<std::string_view> text;  // the string, or the strings of an array; bytes, not always UTF-8

  bool is_array() const noexcept { return type == ValueType::kArray; }

  // Element i of an array, or the value itself for i = 0. T is the C++ type of `element`.
  template <class T>
  T get(uint64_t i = 0) const noexcept {
    NEXTN_CHECK(element == kTypeOf<T> && i < count);
    if constexpr (std::is_same_v<T, std::string_view>) {
      return text[i];
    } else if constexpr (std::is_same_v<T, bool>) {
      return data[i] != 0;  // any nonzero byte is true
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
