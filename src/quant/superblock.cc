#include "quant/superblock.h"

#include <cstring>

#include "base/error.h"
#include "base/fp16.h"
#include "quant/iq_grids.h"

namespace nextn {

namespace {

int nibble(const uint8_t* bytes, int i) {
  return bytes[i / 2] >> 4 * (i % 2) & 15;
}

int bit(const uint8_t* bytes, int i) {
  return bytes[i / 8] >> i % 8 & 1;
}

// The two bits of weight i where byte 32h + l holds weights 128h + 32s + l.
int two_bits(const uint8_t* qs, int i) {
  return qs[i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3;
}

// q[0 .. sizeof(Entry)) = the grid's sizes, negative where `signs` has a bit.
template <class Entry>
void put_entry(Entry entry, int signs, int8_t* q) {
  for (int j = 0; j < static_cast<int>(sizeof(Entry)); j++) {
    const int size = static_cast<int>(entry >> 8 * j & 255);
    q[j] = static_cast<int8_t>(signs >> j & 1 ? -size : size);
  }
}

// Eight weights of IQ1: the entry holds 8 (grid + 1).
void put_shifted(uint64_t entry, bool down, int8_t* q) {
  for (int j = 0; j < 8; j++) q[j] = static_cast<int8_t>(static_cast<int>(entry >> 8 * j & 255) - 8 + (down ? -1 : 1));
}

uint32_t word_at(const uint8_t* p) {
  uint32_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

void read(const BlockQ2_K& b, Superblock& out) {
  out.d = f16_to_f32(b.d);
  out.dmin = f16_to_f32(b.dmin);
  for (int g = 0; g < 16; g++) out.scale[g] = b.scales[g] & 15, out.min[g] = b.scales[g] >> 4;
  for (int i = 0; i < kSuperBlock; i++) out.q[i] = static_cast<int8_t>(two_bits(b.qs, i));
}

void read(const BlockQ3_K& b, Superblock& out) {
  out.d = f16_to_f32(b.d);
  for (int g = 0; g < 16; g++) out.scale[g] = static_cast<int16_t>(q3_k_scale(b.scales, g) - 32);
  for (int i = 0; i < kSuperBlock; i++) {
    out.q[i] = static_cast<int8_t>((two_bits(b.qs, i) | (b.hmask[i % 32] >> i / 32 & 1) << 2) - 4);
  }
}

// What Q4_K and Q5_K have in common.
template <class Block>
void read_scales(const Block& b, Superblock& out) {
  out.d = f16_to_f32(b.d);
  out.dmin = f16_to_f32(b.dmin);
  for (int g = 0; g < 16; g++) {
    out.scale[g] = static_cast<int16_t>(q4_k_scale(b.scales, g / 2));
    out.min[g] = static_cast<uint8_t>(q4_k_min(b.scales, g / 2));
  }
}

void read(const BlockQ4_K& b, Superblock& out) {
  read_scales(b, out);
  for (int g = 0; g < 8; g++) {
    for (int l = 0; l < 32; l++) out.q[32 * g + l] = b.qs[g / 2 * 32 + l] >> g % 2 * 4 & 15;
  }
}

void read(const BlockQ5_K& b, Superblock& out) {
  read_scales(b, out);
  for (int g = 0; g < 8; g++) {
    for (int l = 0; l < 32; l++) {
      const int low = b.qs[g / 2 * 32 + l] >> g % 2 * 4 & 15;
      out.q[32 * g + l] = static_cast<int8_t>(low | (b.qh[l] >> g & 1) << 4);
    }
  }
}

void read(const BlockQ6_K& b, Superblock& out) {
  out.d = f16_to_f32(b.d);
  for (int g = 0; g < 16; g++) out.scale[g] = b.scales[g];
  for (int i = 0; i < kSuperBlock; i++) {
    const int h = i / 128, s = i / 32 % 4, l = i % 32;
    const int low = b.ql[64 * h + 32 * (s % 2) + l] >> 4 * (s / 2) & 15;
    out.q[i] = static_cast<int8_t>((low | (b.qh[32 * h + l] >> 2 * s & 3) << 4) - 32);
  }
}

void read(const BlockIQ4_XS& b, Superblock& out) {
  out.d = f16_to_f32(b.d);
  for (int g = 0; g < 16; g++) out.scale[g] = static_cast<int16_t>(iq4_xs_scale(b, g / 2) - 32);
  for (int i = 0; i < kSuperBlock; i++) out.q[i] = kIq4Values[b.qs[i / 32 * 16 + i % 16] >> i / 16 % 2 * 4 & 15];
}

int16_t odd(int scale) {
  return static_cast<int16_t>(2 * scale + 1);
}

void read(const BlockIQ2_XXS& b, Superblock& out) {
  out.d = f16_to_f32(b.d) * 0.125f;
  for (int g = 0; g < 8; g++) {
    const uint32_t word = word_at(b.qs + 8 * g + 4);
    out.scale[2 * g] = out.scale[2 * g + 1] = odd(static_cast<int>(word >> 28));
    for (int l = 0; l < 4; l++) {
      put_entry(kIq2XxsGrid.entries[b.qs[8 * g + l]], with_parity(word >> 7 * l & 127), out.q + 32 * g + 8 * l);
    }
  }
}

void read(const BlockIQ2_XS& b, Superblock& out) {
  out.d = f16_to_f32(b.d) * 0.125f;
  for (int g = 0; g < 16; g++) out.scale[g] = odd(nibble(b.scales, g));
  for (int i = 0; i < 32; i++) put_entry(kIq2XsGrid.entries[b.qs[i] & 511], with_parity(b.qs[i] >> 9), out.q + 8 * i);
}

void read(const BlockIQ2_S& b, Superblock& out) {
  out.d = f16_to_f32(b.d) * 0.125f;
  for (int g = 0; g < 16; g++) out.scale[g] = odd(nibble(b.scales, g));
  for (int i = 0; i < 32; i++) {
    put_entry(kIq2SGrid.entries[b.qs[i] | (b.qh[i / 4] >> i % 4 * 2 & 3) << 8], b.signs[i], out.q + 8 * i);
  }
}

void read(const BlockIQ3_XXS& b, Superblock& out) {
  out.d = f16_to_f32(b.d) * 0.25f;
  for (int g = 0; g < 8; g++) {
    const uint32_t word = word_at(b.words + 4 * g);
    out.scale[2 * g] = out.scale[2 * g + 1] = odd(static_cast<int>(word >> 28));
    for (int i = 0; i < 8; i++) {
      const int signs = with_parity(word >> i / 2 * 7 & 127) >> i % 2 * 4;
      put_entry(kIq3XxsGrid.entries[b.qs[8 * g + i]], signs, out.q + 32 * g + 4 * i);
    }
  }
}

void read(const BlockIQ3_S& b, Superblock& out) {
  out.d = f16_to_f32(b.d);
  for (int g = 0; g < 16; g++) out.scale[g] = odd(nibble(b.scales, g / 2));
  for (int i = 0; i < 64; i++) {
    put_entry(kIq3SGrid.entries[b.qs[i] | bit(b.qh, i) << 8], b.signs[i / 2] >> i % 2 * 4, out.q + 4 * i);
  }
}

void read(const BlockIQ1_S& b, Superblock& out) {
  out.d = f16_to_f32(b.d) * 0.125f;
  for (int g = 0; g < 16; g++) out.scale[g] = odd(b.qh[g / 2] >> 12 & 7);
  for (int i = 0; i < 32; i++) {
    const int h = b.qh[i / 4];
    put_shifted(kIq1Grid.entries[b.qs[i] | (h >> i % 4 * 3 & 7) << 8], h >> 15 != 0, out.q + 8 * i);
  }
}

void read(const BlockIQ1_M& b, Superblock& out) {
  int d = 0;
  for (int i = 0; i < 4; i++) d |= b.scales[i] >> 12 << 4 * i;
  out.d = f16_to_f32(static_cast<uint16_t>(d)) * 0.125f;
  for (int g = 0; g < 16; g++) out.scale[g] = odd(b.scales[g / 4] >> g % 4 * 3 & 7);
  for (int i = 0; i < 32; i++) {
    const int h = nibble(b.qh, i);
    put_shifted(kIq1Grid.entries[b.qs[i] | (h & 7) << 8], h >> 3 != 0, out.q + 8 * i);
  }
}

void read(const BlockTQ1_0& b, Superblock& out) {
  static constexpr uint8_t kPowers[] = {1, 3, 9, 27, 81};
  const auto digit = [](uint8_t byte, int n) {
    return static_cast<int8_t>((static_cast<uint8_t>(byte * kPowers[n]) * 3 >> 8) - 1);
  };
  out.d = f16_to_f32(b.d);
  for (int g = 0; g < 16; g++) out.scale[g] = 1;
  for (int i = 0; i < 160; i++) out.q[i] = digit(b.qs[i % 32], i / 32);
  for (int i = 0; i < 80; i++) out.q[160 + i] = digit(b.qs[32 + i % 16], i / 16);
  for (int i = 0; i < 16; i++) out.q[240 + i] = digit(b.qh[i % 4], i / 4);
}

void read(const BlockTQ2_0& b, Superblock& out) {
  out.d = f16_to_f32(b.d);
  for (int g = 0; g < 16; g++) out.scale[g] = 1;
  for (int i = 0; i < kSuperBlock; i++) out.q[i] = static_cast<int8_t>(two_bits(b.qs, i) - 1);
}

using ReadFn = void (*)(const uint8_t*, Superblock&) noexcept;

// Copied first, because the bytes of a file have any alignment.
template <class Block>
void read_block(const uint8_t* p, Superblock& out) noexcept {
  Block block;
  std::memcpy(&block, p, sizeof block);
  out.dmin = 0;
  std::memset(out.min, 0, sizeof out.min);
  read(block, out);
}

ReadFn reader(DType type) noexcept {
  switch (type) {
    case DType::kQ2_K:
      return read_block<BlockQ2_K>;
    case DType::kQ3_K:
      return read_block<BlockQ3_K>;
    case DType::kQ4_K:
      return read_block<BlockQ4_K>;
    case DType::kQ5_K:
      return read_block<BlockQ5_K>;
    case DType::kQ6_K:
      return read_block<BlockQ6_K>;
    case DType::kIQ4_XS:
      return read_block<BlockIQ4_XS>;
    case DType::kIQ2_XXS:
      return read_block<BlockIQ2_XXS>;
    case DType::kIQ2_XS:
      return read_block<BlockIQ2_XS>;
    case DType::kIQ2_S:
      return read_block<BlockIQ2_S>;
    case DType::kIQ3_XXS:
      return read_block<BlockIQ3_XXS>;
    case DType::kIQ3_S:
      return read_block<BlockIQ3_S>;
    case DType::kIQ1_S:
      return read_block<BlockIQ1_S>;
    case DType::kIQ1_M:
      return read_block<BlockIQ1_M>;
    case DType::kTQ1_0:
      return read_block<BlockTQ1_0>;
    case DType::kTQ2_0:
      return read_block<BlockTQ2_0>;
    default:
      return nullptr;
  }
}

}  // namespace

bool is_superblock(DType type) noexcept {
  return reader(type) != nullptr;
}

void read_superblock(DType type, const uint8_t* block, Superblock& out) noexcept {
  const ReadFn read = reader(type);
  NEXTN_CHECK(read != nullptr);
  read(block, out);
}

}  // namespace nextn
