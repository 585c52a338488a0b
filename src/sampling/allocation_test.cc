// A choice and a draft's confidence take no memory: every allocation of this program is counted.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <new>
#include <vector>

#include "sampling/sampler.h"

static int64_t g_allocations = 0;

__attribute__((noinline)) void* operator new(size_t size) {
  g_allocations++;
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
__attribute__((noinline)) void* operator new(size_t size, const std::nothrow_t&) noexcept {
  g_allocations++;
  return std::malloc(size);
}
__attribute__((noinline)) void operator delete(void* p) noexcept {
  std::free(p);
}
__attribute__((noinline)) void operator delete(void* p, size_t) noexcept {
  std::free(p);
}

namespace nextn {
namespace {

TEST(Sampler, AChoiceAllocatesNothing) {
  std::vector<float> row(5000);
  for (int i = 0; i < 5000; i++) row[i] = std::sin(i * 1.7f) * 3;
  SamplerScratch scratch(5000);
  for (const int top_k : {0, 40, 2000}) {
    Sampler sampler({.top_k = top_k, .min_p = 0, .repeat_penalty = 1.1f, .logit_bias = {{3, 1}}}, 5000);
    const int64_t before = g_allocations;
    for (int i = 0; i < 50; i++) sampler.accept(sampler.sample(row.data(), i, scratch).token);
    sampler.rewind({sampler.mark().n_accepted - 3});
    top_probability(row.data(), 5000);
    EXPECT_EQ(g_allocations, before);
    const Sampler copy = sampler;
    EXPECT_GT(g_allocations, before) << "the counter does not count";
  }
}

}  // namespace
}  // namespace nextn
