#include "quant/widen.h"

#include <cstring>

#include "base/error.h"
#include "base/fp16.h"
#include "quant/blocks.h"
#include "quant/decode.h"

namespace nextn {

namespace {

BlockQ8_0 widen(const BlockQ5_0& in) {
  BlockQ8_0 out;
  out.d = in.d;
  for (int i = 0; i < kSmallBlock; i++) {
    const int low = in.qs[i % 16] >> 4 * (i / 16) & 15, high = in.qh[i / 8] >> i % 8 & 1;
    out.q[i] = static_cast<int8_t>((low | high << 4) - 16);
  }
  return out;
}

BlockQ8_0 widen(const BlockIQ4_NL& in) {
  BlockQ8_0 out;
  out.d = in.d;
  for (int i = 0; i < kSmallBlock; i++) out.q[i] = kIq4Values[in.qs[i % 16] >> 4 * (i / 16) & 15];
  return out;
}

BlockQ6_K widen(const BlockQ3_K& in) {
  BlockQ6_K out{};
  out.d = in.d;
  for (int g = 0; g < 16; g++) out.scales[g] = static_cast<int8_t>(q3_k_scale(in.scales, g) - 32);
  for (int i = 0; i < kSuperBlock; i++) {
    const int h = i / 128, s = i / 32 % 4, l = i % 32;
    const int low = in.qs[32 * h + l] >> 2 * s & 3, high = in.hmask[l] >> (4 * h + s) & 1;
    const int q = (low | high << 2) - 4 + 32;
    out.ql[64 * h + 32 * (s % 2) + l] |= static_cast<uint8_t>((q & 15) << 4 * (s / 2));
    out.qh[32 * h + l] |= static_cast<uint8_t>(q >> 4 << 2 * s);
  }
  return out;
}

template <class From>
void widen_blocks(const uint8_t* in, int64_t n, int block_values, uint8_t* out) {
  for (int64_t i = 0; i < n; i += block_values) {
    From from;
    std::memcpy(&from, in, sizeof from);
    const auto to = widen(from);
    std::memcpy(out, &to, sizeof to);
    in += sizeof from;
    out += sizeof to;
  }
}

}  // namespace

std::optional<DType> exact_wider(DType type) noexcept {
  switch (type) {
    case DType::kQ5_0:
    case DType::kIQ4_NL:
      return DType::kQ8_0;
    case DType::kQ3_K:
      return DType::kQ6_K;
    default:
      return std::nullopt;
  }
}

void widen_row(DType from, DType to, const uint8_t* in, int64_t n, uint8_t* out) noexcept {
  NEXTN_CHECK(exact_wider(from) == to && n % dtype_info(from).block_values == 0);
  switch (from) {
    case DType::kQ5_0:
      return widen_blocks<BlockQ5_0>(in, n, kSmallBlock, out);
    case DType::kIQ4_NL:
      return widen_blocks<BlockIQ4_NL>(in, n, kSmallBlock, out);
    default:
      return widen_blocks<BlockQ3_K>(in, n, kSuperBlock, out);
  }
}

DType runtime_type(DType type) {
  if (const auto wider = exact_wider(type)) return *wider;
  switch (type) {
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
    case DType::kQ8_0:
    case DType::kQ4_0:
    case DType::kQ4_K:
    case DType::kQ5_K:
    case DType::kQ6_K:
    case DType::kIQ4_XS:
      return type;
    case DType::kQ4_1:
    case DType::kQ5_1:
    case DType::kQ2_K:
      return DType::kF16;
    default:
      fail(ErrorCode::kUnsupported, "expected a type that nextn computes in, found {}", dtype_info(type).name);
  }
}

void convert_row(DType from, DType to, const uint8_t* in, int64_t n, uint8_t* out) noexcept {
  const DTypeInfo& info = dtype_info(from);
  NEXTN_CHECK(n % info.block_values == 0);
  if (from == to) {
    std::memcpy(out, in, static_cast<size_t>(n / info.block_values * info.block_bytes));
    return;
  }
  if (exact_wider(from) == to) return widen_row(from, to, in, n, out);

  NEXTN_CHECK(to == DType::kF16 || to == DType::kF32);
  float values[kSuperBlock];  // a multiple of every block
  for (int64_t i = 0; i < n; i += kSuperBlock) {
    const int64_t m = n - i < kSuperBlock ? n - i : kSuperBlock;
    decode_row(from, in + i / info.block_values * info.block_bytes, m, values);
    for (int64_t j = 0; j < m; j++) {
      const uint16_t half = f32_to_f16(values[j]);
      if (to == DType::kF16) std::memcpy(out + 2 * (i + j), &half, sizeof half);
      if (to == DType::kF32) std::memcpy(out + 4 * (i + j), &values[j], sizeof values[j]);
    }
  }
}

}  // namespace nextn
