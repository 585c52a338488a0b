// Typed access to a file's metadata.
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "gguf/file.h"

namespace nextn::gguf {

namespace {

template <class T>
constexpr bool kIsInteger = std::is_same_v<T, uint32_t> || std::is_same_v<T, int32_t>;

template <class T>
std::string_view type_name() {
  return value_type_name(kTypeOf<T>);
}

// Element i of an array of either 32-bit integer type.
int64_t integer(const Value& value, uint64_t i) {
  return value.element == ValueType::kU32 ? int64_t{value.get<uint32_t>(i)} : value.get<int32_t>(i);
}

}  // namespace

void File::fail_type(std::string_view key, std::string_view expected, std::string_view found) const {
  fail(ErrorCode::kFile, "{}: {}: expected {}, found {}", path(), key, expected, found);
}

const Value& File::required(std::string_view key, std::string_view type) const {
  const Value* value = find(key);
  if (value == nullptr) fail_type(key, type, "no such key");
  return *value;
}

template <class T>
T File::scalar(std::string_view key) const {
  const Value& value = required(key, type_name<T>());
  if (value.type != kTypeOf<T>) fail_type(key, type_name<T>(), value.type_text());
  return value.get<T>();
}

template <class T>
T File::scalar_or(std::string_view key, T absent) const {
  return has(key) ? scalar<T>(key) : absent;
}

template <class T>
std::vector<T> File::array(std::string_view key) const {
  const std::string expected = fmt::format("array of {}", type_name<T>());
  const Value& value = required(key, expected);
  const bool is_integer = value.element == ValueType::kU32 || value.element == ValueType::kI32;
  if (!value.is_array() || !(value.element == kTypeOf<T> || (kIsInteger<T> && is_integer))) {
    fail_type(key, expected, value.type_text());
  }
  std::vector<T> values;
  if constexpr (kIsInteger<T>) {
    for (uint64_t i = 0; i < value.count; i++) {
      const int64_t v = integer(value, i);
      if (!std::in_range<T>(v)) fail_type(key, expected, fmt::format("{} as element {}", v, i));
      values.push_back(static_cast<T>(v));
    }
  } else {
    for (uint64_t i = 0; i < value.count; i++) values.push_back(value.get<T>(i));
  }
  return values;
}

template <class T>
std::vector<T> File::scalar_or_array(std::string_view key, size_t n, std::optional<T> absent) const {
  const Value* value = find(key);
  if (value == nullptr && absent) return std::vector<T>(n, *absent);
  if (value == nullptr || !value->is_array()) {
    const std::string expected = fmt::format("{0} or array of {0}", type_name<T>());
    if (required(key, expected).type != kTypeOf<T>) fail_type(key, expected, value->type_text());
    return std::vector<T>(n, value->get<T>());
  }
  std::vector<T> values = array<T>(key);
  if (values.size() != n) fail_type(key, fmt::format("{} elements", n), fmt::format("{}", values.size()));
  return values;
}

uint32_t File::u32(std::string_view key) const {
  return scalar<uint32_t>(key);
}
int32_t File::i32(std::string_view key) const {
  return scalar<int32_t>(key);
}
uint64_t File::u64(std::string_view key) const {
  return scalar<uint64_t>(key);
}
float File::f32(std::string_view key) const {
  return scalar<float>(key);
}
bool File::boolean(std::string_view key) const {
  return scalar<bool>(key);
}
std::string_view File::string(std::string_view key) const {
  return scalar<std::string_view>(key);
}
uint32_t File::u32_or(std::string_view key, uint32_t absent) const {
  return scalar_or(key, absent);
}
int32_t File::i32_or(std::string_view key, int32_t absent) const {
  return scalar_or(key, absent);
}
float File::f32_or(std::string_view key, float absent) const {
  return scalar_or(key, absent);
}
bool File::bool_or(std::string_view key, bool absent) const {
  return scalar_or(key, absent);
}
std::string_view File::string_or(std::string_view key, std::string_view absent) const {
  return scalar_or(key, absent);
}

std::vector<std::string_view> File::strings(std::string_view key) const {
  return array<std::string_view>(key);
}
std::vector<uint32_t> File::u32s(std::string_view key) const {
  return array<uint32_t>(key);
}
std::vector<int32_t> File::i32s(std::string_view key) const {
  return array<int32_t>(key);
}
std::vector<float> File::f32s(std::string_view key) const {
  return array<float>(key);
}
std::vector<bool> File::bools(std::string_view key) const {
  return array<bool>(key);
}

std::vector<uint32_t> File::u32_or_array(std::string_view key, size_t n, std::optional<uint32_t> absent) const {
  return scalar_or_array(key, n, absent);
}
std::vector<int32_t> File::i32_or_array(std::string_view key, size_t n, std::optional<int32_t> absent) const {
  return scalar_or_array(key, n, absent);
}
std::vector<float> File::f32_or_array(std::string_view key, size_t n, std::optional<float> absent) const {
  return scalar_or_array(key, n, absent);
}
std::vector<bool> File::bool_or_array(std::string_view key, size_t n, std::optional<bool> absent) const {
  return scalar_or_array(key, n, absent);
}

}  // namespace nextn::gguf
