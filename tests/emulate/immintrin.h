// Stands in for the compiler's header where kernels/avx512 is built for a CPU without AVX-512 (NEXTN_EMULATE_AVX512):
// SIMDe's emulation, the intrinsics that SIMDe 0.7.4 lacks, each as two halves of 256 bits, and the registers of AMX.
#pragma once

#include_next <immintrin.h>

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#include <cstdint>
#include <cstring>

namespace nextn::emulated {

static inline simde__m512 floats(__m256 low, __m256 high) {
  simde__m512_private r;
  r.m256[0] = low, r.m256[1] = high;
  return simde__m512_from_private(r);
}
static inline simde__m512i ints(__m256i low, __m256i high) {
  simde__m512i_private r;
  r.m256i[0] = low, r.m256i[1] = high;
  return simde__m512i_from_private(r);
}
static inline __m256 half(simde__m512 a, int i) {
  return simde__m512_to_private(a).m256[i];
}
static inline __m256i half(simde__m512i a, int i) {
  return simde__m512i_to_private(a).m256i[i];
}

static inline simde__m512 shuffle_f32x4(simde__m512 a, simde__m512 b, int order) {
  alignas(64) float from[2][16], to[16];
  simde_mm512_storeu_ps(from[0], a);
  simde_mm512_storeu_ps(from[1], b);
  for (int i = 0; i < 4; i++) std::memcpy(to + 4 * i, from[i / 2] + 4 * (order >> 2 * i & 3), 16);
  return simde_mm512_loadu_ps(to);
}
static inline simde__m512 cvtepi32_ps(simde__m512i a) {
  return floats(_mm256_cvtepi32_ps(half(a, 0)), _mm256_cvtepi32_ps(half(a, 1)));
}
static inline simde__m512i cvtepi8_epi32(__m128i a) {
  return ints(_mm256_cvtepi8_epi32(a), _mm256_cvtepi8_epi32(_mm_srli_si128(a, 8)));
}
static inline simde__m512i cvtepu8_epi32(__m128i a) {
  return ints(_mm256_cvtepu8_epi32(a), _mm256_cvtepu8_epi32(_mm_srli_si128(a, 8)));
}
static inline simde__m512i cvtepu16_epi32(__m256i a) {
  return ints(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(a)), _mm256_cvtepu16_epi32(_mm256_extracti128_si256(a, 1)));
}
static inline simde__m512 cvtph_ps(__m256i a) {
  return floats(_mm256_cvtph_ps(_mm256_castsi256_si128(a)), _mm256_cvtph_ps(_mm256_extracti128_si256(a, 1)));
}
static inline __m128i cvtepi32_epi8(simde__m512i a) {
  alignas(64) int32_t from[16];
  alignas(16) int8_t to[16];
  simde_mm512_storeu_si512(from, a);
  for (int i = 0; i < 16; i++) to[i] = static_cast<int8_t>(from[i]);
  return _mm_load_si128(reinterpret_cast<const __m128i*>(to));
}
static inline simde__m512i cvtps_epi32(simde__m512 a) {
  return ints(_mm256_cvtps_epi32(half(a, 0)), _mm256_cvtps_epi32(half(a, 1)));
}
static inline simde__m512i maskz_cvtps_epi32(__mmask16 mask, simde__m512 a) {
  return simde_mm512_maskz_mov_epi32(mask, cvtps_epi32(a));
}
static inline simde__m512 maskz_loadu_ps(__mmask16 mask, const void* p) {
  float all[16] = {};
  for (int i = 0; i < 16; i++) {
    if (mask >> i & 1) all[i] = static_cast<const float*>(p)[i];
  }
  return simde_mm512_loadu_ps(all);
}
static inline void mask_storeu_ps(void* p, __mmask16 mask, simde__m512 a) {
  float all[16];
  simde_mm512_storeu_ps(all, a);
  for (int i = 0; i < 16; i++) {
    if (mask >> i & 1) static_cast<float*>(p)[i] = all[i];
  }
}
static inline simde__m512i mulhi_epu16(simde__m512i a, simde__m512i b) {
  return ints(_mm256_mulhi_epu16(half(a, 0), half(b, 0)), _mm256_mulhi_epu16(half(a, 1), half(b, 1)));
}
static inline simde__m512i i32gather_epi32(simde__m512i index, const void* from, int scale) {
  int32_t at[16], all[16];
  simde_mm512_storeu_si512(at, index);
  for (int i = 0; i < 16; i++)
    std::memcpy(&all[i], static_cast<const char*>(from) + int64_t{at[i]} * scale, sizeof *all);
  return simde_mm512_loadu_si512(all);
}
static inline simde__m512i i32gather_epi64(__m256i index, const void* from, int scale) {
  int32_t at[8];
  int64_t all[8];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), index);
  for (int i = 0; i < 8; i++)
    std::memcpy(&all[i], static_cast<const char*>(from) + int64_t{at[i]} * scale, sizeof *all);
  return simde_mm512_loadu_si512(all);
}
static inline int reduce_add_epi32(simde__m512i a) {
  uint32_t all[16], sum = 0;
  simde_mm512_storeu_si512(all, a);
  for (uint32_t x : all) sum += x;
  return static_cast<int>(sum);
}
static inline uint32_t reduce_max_epu32(simde__m512i a) {
  uint32_t all[16], most = 0;
  simde_mm512_storeu_si512(all, a);
  for (uint32_t x : all) most = x > most ? x : most;
  return most;
}

static inline simde__m512i cvtepi16_epi32(__m256i a) {
  return ints(_mm256_cvtepi16_epi32(_mm256_castsi256_si128(a)), _mm256_cvtepi16_epi32(_mm256_extracti128_si256(a, 1)));
}
static inline __m128i cvtepi32_epi16(__m256i a) {
  alignas(32) int32_t from[8];
  alignas(16) int16_t to[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(from), a);
  for (int i = 0; i < 8; i++) to[i] = static_cast<int16_t>(from[i]);
  return _mm_load_si128(reinterpret_cast<const __m128i*>(to));
}

// The registers of AMX, and what the last LDTILECFG said of them.
struct Tile {
  int rows, row_bytes;
  uint8_t bytes[16][64];
};
inline thread_local Tile tiles[8];

static inline void tile_loadconfig(const void* config) {
  const uint8_t* const c = static_cast<const uint8_t*>(config);
  for (int i = 0; i < 8; i++) tiles[i] = {c[48 + i], c[16 + 2 * i], {}};
}
static inline void tile_zero(int i) {
  std::memset(tiles[i].bytes, 0, sizeof tiles[i].bytes);
}
static inline void tile_loadd(int i, const void* from, int64_t stride) {
  tile_zero(i);
  for (int r = 0; r < tiles[i].rows; r++) {
    std::memcpy(tiles[i].bytes[r], static_cast<const char*>(from) + r * stride,
                static_cast<size_t>(tiles[i].row_bytes));
  }
}
static inline void tile_stored(int i, void* to, int64_t stride) {
  for (int r = 0; r < tiles[i].rows; r++) {
    std::memcpy(static_cast<char*>(to) + r * stride, tiles[i].bytes[r], static_cast<size_t>(tiles[i].row_bytes));
  }
}
// a holds signed bytes, b bytes of type B.
template <class B>
static inline void tile_dot_products(int to, int a, int b) {
  for (int m = 0; m < tiles[to].rows; m++) {
    for (int n = 0; n < tiles[to].row_bytes / 4; n++) {
      int32_t sum;
      std::memcpy(&sum, tiles[to].bytes[m] + 4 * n, sizeof sum);
      for (int k = 0; k < tiles[a].row_bytes; k++) {
        sum += static_cast<int8_t>(tiles[a].bytes[m][k]) * static_cast<B>(tiles[b].bytes[k / 4][4 * n + k % 4]);
      }
      std::memcpy(tiles[to].bytes[m] + 4 * n, &sum, sizeof sum);
    }
  }
}

}  // namespace nextn::emulated

#undef _mm512_shuffle_f32x4
#define _mm512_shuffle_f32x4 ::nextn::emulated::shuffle_f32x4
#define _mm512_cvtepi32_ps ::nextn::emulated::cvtepi32_ps
#define _mm512_cvtepi8_epi32 ::nextn::emulated::cvtepi8_epi32
#define _mm512_cvtepu8_epi32 ::nextn::emulated::cvtepu8_epi32
#define _mm512_cvtepu16_epi32 ::nextn::emulated::cvtepu16_epi32
#define _mm512_cvtph_ps ::nextn::emulated::cvtph_ps
#define _mm512_cvtepi32_epi8 ::nextn::emulated::cvtepi32_epi8
#define _mm512_cvtps_epi32 ::nextn::emulated::cvtps_epi32
#define _mm512_maskz_cvtps_epi32 ::nextn::emulated::maskz_cvtps_epi32
#define _mm512_maskz_loadu_ps ::nextn::emulated::maskz_loadu_ps
#define _mm512_mask_storeu_ps ::nextn::emulated::mask_storeu_ps
#undef _mm512_i32gather_epi32
#undef _mm512_i32gather_epi64
#define _mm512_i32gather_epi32 ::nextn::emulated::i32gather_epi32
#define _mm512_i32gather_epi64 ::nextn::emulated::i32gather_epi64
#define _mm512_mulhi_epu16 ::nextn::emulated::mulhi_epu16
#define _mm512_reduce_add_epi32 ::nextn::emulated::reduce_add_epi32
#define _mm512_reduce_max_epu32 ::nextn::emulated::reduce_max_epu32
#undef _mm512_extractf32x8_ps
#define _mm512_extractf32x8_ps(a, i) ::nextn::emulated::half(a, i)
#define _mm512_cvtepi16_epi32 ::nextn::emulated::cvtepi16_epi32
#define _mm256_cvtepi32_epi16 ::nextn::emulated::cvtepi32_epi16
#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#define _tile_loadconfig ::nextn::emulated::tile_loadconfig
#define _tile_release()
#define _tile_zero ::nextn::emulated::tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbsud
#undef _tile_dpbssd
#define _tile_loadd ::nextn::emulated::tile_loadd
#define _tile_stored ::nextn::emulated::tile_stored
#define _tile_dpbsud ::nextn::emulated::tile_dot_products<uint8_t>
#define _tile_dpbssd ::nextn::emulated::tile_dot_products<int8_t>
