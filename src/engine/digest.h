// A running 64-bit XXH3 over bytes.
#pragma once

#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace nextn {

class Digest {
 public:
  Digest() : state_(XXH3_createState(), XXH3_freeState) { XXH3_64bits_reset(state_.get()); }
  void add(const void* bytes, size_t n) noexcept { XXH3_64bits_update(state_.get(), bytes, n); }
  uint64_t value() const noexcept { return XXH3_64bits_digest(state_.get()); }

 private:
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state_;
};

inline uint64_t digest_of(const void* bytes, size_t n) noexcept {
  return XXH3_64bits(bytes, n);
}

}  // namespace nextn
