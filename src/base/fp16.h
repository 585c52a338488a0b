// IEEE half and bfloat16 as bit patterns, converted to and from float. Plain static functions, so that translation
// units built for different instruction sets may share this header.
#pragma once

#include <cstdint>
#include <cstring>

namespace nextn {

static inline float float_from_bits(uint32_t bits) {
  float f;
  std::memcpy(&f, &bits, sizeof f);
  return f;
}

static inline uint32_t bits_of_float(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, sizeof bits);
  return bits;
}

// Exact for every half, denormals, infinities and NaN included.
static inline float f16_to_f32(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000u) << 16;
  const uint32_t rest = static_cast<uint32_t>(h & 0x7fffu) << 13;
  if (rest >= 0x0f800000u) return float_from_bits(sign | (rest + 0x70000000u));  // infinity or NaN: exponent 31 -> 255
  // The exponent is too small by 112 both for normal numbers and for denormals; one exact multiplication mends either.
  return float_from_bits(sign | bits_of_float(float_from_bits(rest) * float_from_bits(0x77800000u)));  // * 2^112
}

// Round to nearest even, as VCVTPS2PH does; NaN stays a quiet NaN.
static inline uint16_t f32_to_f16(float f) {
  const uint32_t bits = bits_of_float(f), sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
  if (rest > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u | (rest >> 13 & 0x3ffu));
  if (rest >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);  // rounds to infinity
  if (rest < 0x38800000u) {                                               // denormal: let the adder round at bit 2^-24
    const uint32_t rounded = bits_of_float(float_from_bits(rest) + 0.5f);
    return static_cast<uint16_t>(sign | (rounded - 0x3f000000u));
  }
  return static_cast<uint16_t>(sign | ((rest - 0x38000000u + 0xfffu + (rest >> 13 & 1u)) >> 13));
}

static inline float bf16_to_f32(uint16_t h) {
  return float_from_bits(static_cast<uint32_t>(h) << 16);
}

}  // namespace nextn
