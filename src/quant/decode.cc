#include "quant/decode.h"

#include <cstring>

#include "base/error.h"
#include "base/fp16.h"
#include "quant/blocks.h"

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

struct Q2_K {
  static void decode(const uint8_t* p, float* out) {
    const auto b = load<BlockQ2_K>(p);
    const float d = f16_to_f32(b.d), dmin = f16_to_f32(b.dmin);
    for (int i = 0; i < kSuperBlock; i++) {
      const int h = i / 128, s = i / 32 % 4, l = i % 32;
      const int q = b.qs[32 * h + l] >> 2 * s & 3;
      const float scale = d * static_cast<float>(b.scales[i / 16] & 15);
      const float min = dmin * static_cast<float>(b.scales[i / 16] >> 4);
      out[i] = scale * static_cast<float>(q) - min;
    }
  }
};

struct Q3_K {
  static void decode(const uint8_t* p, float* out) {
    const auto b = load<BlockQ3_K>(p);
    const float d = f16_to_f32(b.d);
    for (int i = 0; i < kSuperBlock; i++) {
      const int h = i / 128, s = i / 32 % 4, l = i % 32;
      const int q = (b.qs[32 * h + l] >> 2 * s & 3) | (b.hmask[l] >> (4 * h + s) & 1) << 2;
      out[i] = d * static_cast<float>(q3_k_scale(b.scales, i / 16) - 32) * static_cast<float>(q - 4);
    }
  }
};

struct Q4_K {
  static void decode(const uint8_t* p, float* out) {
    const auto b = load<BlockQ4_K>(p);
    const float d = f16_to_f32(b.d), dmin = f16_to_f32(b.dmin);
    for (int i = 0; i < kSuperBlock; i++) {
      const int c = i / 64, l = i % 32, g = i / 32;
      const int q = b.qs[32 * c + l] >> 4 * (g % 2) & 15;
      const float scale = d * static_cast<float>(q4_k_scale(b.scales, g));
      const float min = dmin * static_cast<float>(q4_k_min(b.scales, g));
      out[i] = scale * static_cast<float>(q) - min;
    }
  }
};

struct Q5_K {
  static void decode(const uint8_t* p, float* out) {
    const auto b = load<BlockQ5_K>(p);
    const float d = f16_to_f32(b.d), dmin = f16_to_f32(b.dmin);
    for (int i = 0; i < kSuperBlock; i++) {
      const int c = i / 64, l = i % 32, g = i / 32;
      const int q = (b.qs[32 * c + l] >> 4 * (g % 2) & 15) | (b.qh[l] >> g & 1) << 4;
      const float scale = d * static_cast<float>(q4_k_scale(b.scales, g));
      const float min = dmin * static_cast<float>(q4_k_min(b.scales, g));
      out[i] = scale * static_cast<float>(q) - min;
    }
  }
};

struct Q6_K {
  static void decode(const uint8_t* p, float* out) {
    const auto b = load<BlockQ6_K>(p);
    const float d = f16_to_f32(b.d);
    for (int i = 0; i < kSuperBlock; i++) {
      const int h = i / 128, s = i / 32 % 4, l = i % 32;
      const int low = b.ql[64 * h + 32 * (s % 2) + l] >> 4 * (s / 2) & 15;
      const int q = low | (b.qh[32 * h + l] >> 2 * s & 3) << 4;
      out[i] = d * static_cast<float>(b.scales[i / 16]) * static_cast<float>(q - 32);
    }
  }
};

struct IQ4_NL {
  static void decode(const uint8_t* p, float* out) {
    const auto b = load<BlockIQ4_NL>(p);
    const float d = f16_to_f32(b.d);
    for (int i = 0; i < kSmallBlock; i++) out[i] = d * static_cast<float>(kIq4Values[nibble(b.qs, i)]);
  }
};

struct IQ4_XS {
  static void decode(const uint8_t* p, float* out) {
    const auto b = load<BlockIQ4_XS>(p);
    const float d = f16_to_f32(b.d);
    for (int i = 0; i < kSuperBlock; i++) {
      const int g = i / 32;
      const float scale = d * static_cast<float>(iq4_xs_scale(b, g) - 32);
      out[i] = scale * static_cast<float>(kIq4Values[nibble(b.qs + 16 * g, i % 32)]);
    }
  }
};

using DecodeFn = void (*)(DType, const uint8_t*, int64_t, float*) noexcept;

template <class Format>
void decode_blocks(DType type, const uint8_t* bytes, int64_t n_values, float* out) noexcept {
  const DTypeInfo& info = dtype_info(type);
  for (int64_t i = 0; i < n_values; i += info.block_values, bytes += info.block_bytes) Format::decode(bytes, out + i);
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
    case DType::kQ2_K:
      return decode_blocks<Q2_K>;
    case DType::kQ3_K:
      return decode_blocks<Q3_K>;
    case DType::kQ4_K:
      return decode_blocks<Q4_K>;
    case DType::kQ5_K:
      return decode_blocks<Q5_K>;
    case DType::kQ6_K:
      return decode_blocks<Q6_K>;
    case DType::kIQ4_NL:
      return decode_blocks<IQ4_NL>;
    case DType::kIQ4_XS:
      return decode_blocks<IQ4_XS>;
    default:
      return nullptr;
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
