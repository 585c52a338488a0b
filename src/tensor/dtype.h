// The element types a GGUF tensor can have: their numbers in the file, names, and block sizes. What the bytes of a
// block mean is quant's business.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace nextn {

// The values are the type numbers of the GGUF format.
enum class DType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ8_1 = 9,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kQ8_K = 15,
  kIQ2_XXS = 16,
  kIQ2_XS = 17,
  kIQ3_XXS = 18,
  kIQ1_S = 19,
  kIQ4_NL = 20,
  kIQ3_S = 21,
  kIQ2_S = 22,
  kIQ4_XS = 23,
  kI8 = 24,
  kI16 = 25,
  kI32 = 26,
  kI64 = 27,
  kF64 = 28,
  kIQ1_M = 29,
  kBF16 = 30,
  kTQ1_0 = 34,
  kTQ2_0 = 35,
  kMXFP4 = 39,
  kNVFP4 = 40,
  kQ1_0 = 41,
  kQ2_0 = 42,
};

struct DTypeInfo {
  std::string_view name;  // as ggml spells it: "Q4_K"
  uint32_t block_values;  // values in a block, along the fastest axis
  uint32_t block_bytes;
};

// Nothing for a number that the format does not define or has removed.
std::optional<DType> dtype_from_id(uint32_t id) noexcept;
const DTypeInfo& dtype_info(DType type) noexcept;

}  // namespace nextn
