#include "base/thread_pool.h"

#include <immintrin.h>

namespace nextn {

namespace {

// About 20 microseconds: longer than the gap between two ops of a step, shorter than a scheduler's time slice.
constexpr int kSpins = 2000;

}  // namespace

ThreadPool::ThreadPool(int n_threads) {
  for (int i = 1; i < n_threads; i++) workers_.emplace_back([this] { work(); });
}

ThreadPool::~ThreadPool() {
  stopping_.store(true);
  generation_.fetch_add(1);
  generation_.notify_all();
}

void ThreadPool::take_tiles() noexcept {
  for (int tile = next_.fetch_add(1, std::memory_order_relaxed); tile < n_tiles_;
       tile = next_.fetch_add(1, std::memory_order_relaxed)) {
    call_(fn_, tile);
  }
}

void ThreadPool::run_job(int n_tiles, Call call, const void* fn) noexcept {
  n_tiles_ = n_tiles;
  call_ = call;
  fn_ = fn;
  next_.store(0, std::memory_order_relaxed);
  busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  take_tiles();
  // Every worker must have seen the job before the next one is posted, so wait for all, not for the tiles alone.
  for (int spin = 0; busy_.load(std::memory_order_acquire) != 0; spin++) {
    if (spin < kSpins) {
      _mm_pause();
    } else {
      std::this_thread::yield();
    }
  }
}

void ThreadPool::work() noexcept {
  uint32_t seen = 0;
  for (;;) {
    uint32_t now = generation_.load(std::memory_order_acquire);
    for (int spin = 0; now == seen && spin < kSpins; spin++) {
      _mm_pause();
      now = generation_.load(std::memory_order_acquire);
    }
    while (now == seen) {
      generation_.wait(seen, std::memory_order_acquire);
      now = generation_.load(std::memory_order_acquire);
    }
    seen = now;
    if (stopping_.load()) return;
    take_tiles();
    busy_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace nextn
