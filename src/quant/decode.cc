#include "quant/decode.h"

#include <cstring>

#include "base/error.h"
#include "base/fp16.h"
#include "quant/blocks.h"
#include "quant/superblock.h"

namespace nextn {

namespace {

// One weight or one block at p -> its floats. Copied first, because the bytes of a file have any alignment.
template <class Block>
Block load(const uint8_t* p) {
  Block block;
  std::memcpy(&block, p, sizeof block);
  return block;
}

struct F32 {
  static void decode(const uint8_t* p, float* out) { *out = load<float>(p); }
};

struct F16 {
  static void decode(const uint8_t* p, float* out) { *out = f16_to_f32(load<uint16_t>(p)); }
};

struct BF16 {
  static void decode(const uint8_t* p, float* out) { *out = bf16_to_f32(load<uint16_t>(p)); }
};

int nibble(const uint8_t* qs, int i) {
  return i < 16 ? qs[i] & 15 : qs[i - 16] >> 4;
}

int fifth_bit(const uint8_t* qh, int i) {
  return (qh[i / 8] >> i % 8 & 1) << 4;
}

struct Q4_0 {
  static void decode(const uint8_t* p, float* out) {
    const auto b = load<BlockQ4_0>(p);
    const float d = f16_to_f32(b.d);
    for (int i = 0; i < kSmallBlock; i++) out[i] = d * static_cast<float>(nibble(b.qs, i) - 8);
  }
};

struct Q4_1 {
  static void decode(const uint8_t* p, float* out) {
    const auto b = load<BlockQ4_1>(p);
    const float d = f16_to_f32(b.d), m = f16_to_f32(b.m);
    for (int i = 0; i < kSmallBlock; i++) out[i] = d * static_cast<float>(nibble(b.qs, i)) + m;
  }
};

struct Q5_0 {
  static void decode(const uint8_t* p, float* out) {
    const auto b = load<BlockQ5_0>(p);
    const float d = f16_to_f32(b.d);
    for (int i = 0; i < kSmallBlock; i++) {
      out[i] = d * static_cast<float>((nibble(b.qs, i) | fifth_bit(b.qh, i)) - 16);
    }
  }
};

struct Q5_1 {
  static void decode(const uint8_t* p, float* out) {
    const auto b = load<BlockQ5_1>(p);
    const float d = f16_to_f32(b.d), m = f16_to_f32(b.m);
    for (int i = 0; i < kSmallBlock; i++) {
      out[i] = d * static_cast<float>(nibble(b.qs, i) | fifth_bit(b.qh, i)) + m;
    }
  }
};

struct Q8_0 {
  static void decode(const uint8_t* p, float* out) {
    const auto b = load<BlockQ8_0>(p);
    const float d = f16_to_f32(b.d);
    for (int i = 0; i < kSmallBlock; i++) out[i] = d * static_cast<float>(b.q[i]);
  }
};

struct IQ4_NL {
  static void decode(const uint8_t* p, float* out) {
    const auto b = load<BlockIQ4_NL>(p);
    const float d = f16_to_f32(b.d);
    for (int i = 0; i < kSmallBlock; i++) out[i] = d * static_cast<float>(kIq4Values[nibble(b.qs, i)]);
  }
};

struct MXFP4 {
  static void decode(const uint8_t* p, float* out) {
    const auto b = load<BlockMXFP4>(p);
    const float d = power_of_two(b.e);
    for (int i = 0; i < kSmallBlock; i++) out[i] = d * static_cast<float>(kFp4Values[nibble(b.qs, i)]);
  }
};

struct NVFP4 {
  static void decode(const uint8_t* p, float* out) {
    const auto b = load<BlockNVFP4>(p);
    for (int i = 0; i < 64; i++) {
      const int q = b.qs[i / 16 * 8 + i % 8] >> i / 8 % 2 * 4 & 15;
      out[i] = ue4m3_half(b.s[i / 16]) * static_cast<float>(kFp4Values[q]);
    }
  }
};

using DecodeFn = void (*)(DType, const uint8_t*, int64_t, float*) noexcept;

template <class Format>
void decode_blocks(DType type, const uint8_t* bytes, int64_t n_values, float* out) noexcept {
  const DTypeInfo& info = dtype_info(type);
  for (int64_t i = 0; i < n_values; i += info.block_values, bytes += info.block_bytes) Format::decode(bytes, out + i);
}

void decode_superblocks(DType type, const uint8_t* bytes, int64_t n_values, float* out) noexcept {
  const uint32_t block_bytes = dtype_info(type).block_bytes;
  Superblock b;
  for (int64_t i = 0; i < n_values; i += kSuperBlock, bytes += block_bytes, out += kSuperBlock) {
    read_superblock(type, bytes, b);
    for (int g = 0; g < 16; g++) {
      const float scale = b.d * static_cast<float>(b.scale[g]), min = b.dmin * static_cast<float>(b.min[g]);
      for (int j = 16 * g; j < 16 * g + 16; j++) out[j] = scale * static_cast<float>(b.q[j]) - min;
    }
  }
}

DecodeFn decoder(DType type) noexcept {
  switch (type) {
    case DType::kF32:
      return decode_blocks<F32>;
    case DType::kF16:
      return decode_blocks<F16>;
    case DType::kBF16:
      return decode_blocks<BF16>;
    case DType::kQ4_0:
      return decode_blocks<Q4_0>;
    case DType::kQ4_1:
      return decode_blocks<Q4_1>;
    case DType::kQ5_0:
      return decode_blocks<Q5_0>;
    case DType::kQ5_1:
      return decode_blocks<Q5_1>;
    case DType::kQ8_0:
      return decode_blocks<Q8_0>;
    case DType::kIQ4_NL:
      return decode_blocks<IQ4_NL>;
    case DType::kMXFP4:
      return decode_blocks<MXFP4>;
    case DType::kNVFP4:
      return decode_blocks<NVFP4>;
    default:
      return is_superblock(type) ? decode_superblocks : nullptr;
  }
}

}  // namespace

bool can_decode(DType type) noexcept {
  return decoder(type) != nullptr;
}

void decode_row(DType type, const uint8_t* bytes, int64_t n_values, float* out) noexcept {
  const DecodeFn decode = decoder(type);
  NEXTN_CHECK(decode != nullptr && n_values % dtype_info(type).block_values == 0);
  decode(type, bytes, n_values, out);
}

}  // namespace nextn
