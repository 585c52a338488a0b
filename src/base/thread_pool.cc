#include "base/thread_pool.h"

#include <immintrin.h>

#include <exception>

#include "base/error.h"

namespace nextn {

namespace {

// About 20 microseconds: longer than the gap between two ops of a step, shorter than a scheduler's time slice.
constexpr int kSpins = 2000;

}  // namespace

void spin_until(const std::atomic<int>& value, int wanted) noexcept {
  for (int spin = 0; value.load(std::memory_order_acquire) != wanted; spin++) {
    if (spin < kSpins) {
      _mm_pause();
    } else {
      std::this_thread::yield();
    }
  }
}

ThreadPool::ThreadPool(int n_threads, const std::function<void(int thread)>& on_start) {
  try {
    for (int i = 1; i < n_threads; i++) {
      workers_.emplace_back([this, on_start, i] {
        if (on_start) on_start(i);
        work();
      });
    }
    if (on_start) on_start(0);
  } catch (const std::exception& e) {  // std::system_error, std::bad_alloc
    const int n_started = this->n_threads();
    stop();  // those that run wait for work, and would be waited for
    fail(ErrorCode::kSystem, "threads: expected {}, the system has not got more than {}: {}", n_threads, n_started,
         e.what());
  }
}

ThreadPool::~ThreadPool() {
  stop();
}

// Ends here, not where members are destroyed: workers watch members that would go before the threads do.
void ThreadPool::stop() noexcept {
  stopping_.store(true);
  n_jobs_.fetch_add(1);
  n_jobs_.notify_all();
  workers_.clear();
}

void ThreadPool::take_tiles() noexcept {
  for (;;) {
    const uint64_t t = tiles_.fetch_add(1, std::memory_order_acquire);
    if (static_cast<uint32_t>(t) >= t >> 32) return;
    call_(fn_, static_cast<int>(static_cast<uint32_t>(t)));
    unfinished_.fetch_sub(1, std::memory_order_release);
  }
}

void ThreadPool::run_job(int n_tiles, Call call, const void* fn) noexcept {
  call_ = call;
  fn_ = fn;
  unfinished_.store(n_tiles, std::memory_order_relaxed);
  tiles_.store(static_cast<uint64_t>(n_tiles) << 32, std::memory_order_release);
  n_jobs_.fetch_add(1, std::memory_order_release);
  n_jobs_.notify_all();
  take_tiles();
  spin_until(unfinished_, 0);
}

void ThreadPool::work() noexcept {
  uint32_t seen = 0;
  for (;;) {
    uint32_t now = n_jobs_.load(std::memory_order_acquire);
    for (int spin = 0; now == seen && spin < kSpins; spin++) {
      _mm_pause();
      now = n_jobs_.load(std::memory_order_acquire);
    }
    while (now == seen) {
      n_jobs_.wait(seen, std::memory_order_acquire);
      now = n_jobs_.load(std::memory_order_acquire);
    }
    seen = now;
    if (stopping_.load()) return;
    take_tiles();
  }
}

}  // namespace nextn
