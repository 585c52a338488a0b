// Randomness that is keyed, not drawn: the noise of a token at a position is a function of (seed, position, token,
// choice) and of nothing else, neither of the order of a list nor of the number of calls. So a row verified among
// drafts gets the noise it would have had alone.
#pragma once

#include <array>
#include <cstdint>

#include "base/fmath.h"

namespace nextn {

using PhiloxBlock = std::array<uint32_t, 4>;

// Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 3.3.
constexpr PhiloxBlock philox4x32_10(PhiloxBlock counter, uint64_t key) noexcept {
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; round++) {
    const uint64_t a = uint64_t{0xd2511f53u} * counter[0], b = uint64_t{0xcd9e8d57u} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ k0, static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ k1, static_cast<uint32_t>(a)};
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  return counter;
}

// The words of the four tokens 4 * group .. 4 * group + 3: one block serves four neighbours.
constexpr PhiloxBlock noise_block(uint64_t seed, int64_t position, uint32_t group, uint32_t choice) noexcept {
  const uint64_t p = static_cast<uint64_t>(position);
  return philox4x32_10({group, choice, static_cast<uint32_t>(p), static_cast<uint32_t>(p >> 32)}, seed);
}

// -ln(-ln u) with u = (word + 1/2) / 2^32, inside (0, 1): standard Gumbel noise, from -3.14 to 22.88.
static inline double gumbel_of(uint32_t word) noexcept {
  return -log_f64(-log_f64((word + 0.5) * 0x1p-32));
}

// The noise of `token` at absolute position `position` for choice `choice` of a request.
static inline double gumbel(uint64_t seed, int64_t position, int32_t token, uint32_t choice) noexcept {
  const uint32_t id = static_cast<uint32_t>(token);
  return gumbel_of(noise_block(seed, position, id / 4, choice)[id % 4]);
}

}  // namespace nextn
