#include "base/machine.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>

#include "base/aligned_buffer.h"
#include "base/clock.h"

namespace nextn {

namespace {

// The registers that plain x86-64 has.
typedef uint64_t Words __attribute__((vector_size(16)));

// Reads [p, p + bytes) and keeps the loads alive.
void read_all(const uint8_t* p, int64_t bytes) noexcept {
  const Words* const words = reinterpret_cast<const Words*>(p);
  Words a = {}, b = {}, c = {}, d = {};
  for (int64_t i = 0; i < bytes / static_cast<int64_t>(sizeof(Words)); i += 4) {
    __builtin_prefetch(p + i * static_cast<int64_t>(sizeof(Words)) + 2048);
    a ^= words[i], b ^= words[i + 1], c ^= words[i + 2], d ^= words[i + 3];
  }
  a ^= b ^ c ^ d;
  asm volatile("" : : "x"(a));
}

}  // namespace

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown CPU";
}

uint64_t peak_resident_bytes() noexcept {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

double measure_read_rate(ThreadPool& pool) {
  constexpr int64_t kPiece = 1 << 20;
  constexpr int kPieces = 512, kPasses = 8;
  AlignedBuffer buffer(static_cast<size_t>(kPiece) * kPieces);
  pool.run(kPieces, [&](int i) { std::memset(buffer.data() + i * kPiece, 1, kPiece); });
  double best = 0;
  for (int pass = 0; pass < kPasses; pass++) {
    const auto start = Clock::now();
    pool.run(kPieces, [&](int i) { read_all(buffer.data() + i * kPiece, kPiece); });
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    best = std::max(best, static_cast<double>(buffer.size()) / seconds);
  }
  return best;
}

}  // namespace nextn
