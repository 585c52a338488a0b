// The element types a KV cache can have, how many bytes a cached vector takes, and how many are a piece.
#pragma once

#include <cstdint>

namespace nextn {

enum class KvType : uint8_t { kF16, kF32, kQ8_0 };

constexpr int kKvPiece = 256;  // positions of one piece of attention; cuts are at absolute multiples (D11)

// Bytes of one cached vector of head_dim values; head_dim is a multiple of 32. A Q8_0 block is a half and 32 int8.
constexpr int64_t kv_bytes(KvType type, int64_t head_dim) {
  switch (type) {
    case KvType::kF32:
      return head_dim * 4;
    case KvType::kF16:
      return head_dim * 2;
    case KvType::kQ8_0:
      return head_dim / 32 * 34;
  }
  return 0;
}

constexpr const char* kv_type_name(KvType type) {
  return type == KvType::kF32 ? "f32" : type == KvType::kF16 ? "f16" : "q8_0";
}

}  // namespace nextn
