#include "gguf/value.h"

#include <array>

namespace nextn::gguf {

namespace {

struct TypeInfo {
  std::string_view name;
  uint32_t bytes;
};

constexpr std::array<TypeInfo, kNumValueTypes> kTypes = {{{"u8", 1},
                                                          {"i8", 1},
                                                          {"u16", 2},
                                                          {"i16", 2},
                                                          {"u32", 4},
                                                          {"i32", 4},
                                                          {"f32", 4},
                                                          {"bool", 1},
                                                          {"string", 0},
                                                          {"array", 0},
                                                          {"u64", 8},
                                                          {"i64", 8},
                                                          {"f64", 8}}};

}  // namespace

std::string_view value_type_name(ValueType type) noexcept {
  return kTypes[static_cast<uint32_t>(type)].name;
}

uint32_t value_type_bytes(ValueType type) noexcept {
  return kTypes[static_cast<uint32_t>(type)].bytes;
}

std::string Value::type_text() const {
  return is_array() ? fmt::format("array of {}", value_type_name(element)) : std::string(value_type_name(type));
}

}  // namespace nextn::gguf
