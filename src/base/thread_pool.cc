#include "base/thread_pool.h"

#include <immintrin.h>

#include <exception>

#include "base/error.h"

namespace nextn {

namespace {

// About 20 microseconds: longer than the gap between two ops of a step, shorter than a scheduler's time slice.
constexpr int kSpins = 2000;

// Looks until there is what another thread will bring about.
template <class Done>
void spin_until_done(const Done& done) noexcept {
  for (int spin = 0; !done();) {
    if (spin < kSpins) {
      spin++;
      _mm_pause();
    } else {
      std::this_thread::yield();
    }
  }
}

bool has_more(uint64_t tiles) noexcept {
  return static_cast<uint32_t>(tiles) < tiles >> 32;
}

}  // namespace

void spin_until(const std::atomic<int>& value, int wanted) noexcept {
  spin_until_done([&] { return value.load(std::memory_order_acquire) == wanted; });
}

ThreadPool::ThreadPool(int n_threads, const std::function<void(int thread)>& on_start) {
  try {
    shares_ = std::vector<Share>(static_cast<size_t>(std::max(1, n_threads)));
    for (int i = 1; i < n_threads; i++) {
      workers_.emplace_back([this, on_start, i] {
        if (on_start) on_start(i);
        work(i);
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

// A worker that comes late to a job that is over cannot take its count for that of the next one: both are one word.
bool ThreadPool::take_tile(Share& share) noexcept {
  if (!has_more(share.tiles.load(std::memory_order_relaxed))) return false;
  const uint64_t tiles = share.tiles.fetch_add(1, std::memory_order_acquire);
  if (!has_more(tiles)) return false;
  share.call(share.fn, static_cast<int>(static_cast<uint32_t>(tiles)));
  return true;
}

void ThreadPool::take_tiles(int thread) noexcept {
  Share& own = shares_[static_cast<size_t>(thread)];
  const auto finished = [&](uint32_t n) {
    own.n_finished.store(own.n_finished.load(std::memory_order_relaxed) + n, std::memory_order_release);
  };
  uint32_t n = 0;
  while (take_tile(own)) n++;
  if (n > 0) finished(n);
  const size_t n_shares = shares_.size();
  for (size_t i = 1; i < n_shares; i++) {
    Share& other = shares_[(static_cast<size_t>(thread) + i) % n_shares];
    while (take_tile(other)) finished(1);
    if (has_more(own.tiles.load(std::memory_order_relaxed))) return;  // of the next job: that comes first
  }
}

void ThreadPool::run_job(int n_tiles, Call call, const void* fn) noexcept {
  const auto first = [&](size_t thread) {
    return (static_cast<uint64_t>(n_tiles) * thread + shares_.size() - 1) / shares_.size();
  };
  for (size_t i = shares_.size(); i-- > 0;) {  // the caller's own at last
    if (first(i) == first(i + 1)) continue;
    shares_[i].call = call;
    shares_[i].fn = fn;
    shares_[i].tiles.store(first(i + 1) << 32 | first(i), std::memory_order_release);
  }
  n_jobs_.fetch_add(1);
  n_jobs_.notify_all();
  n_posted_ += static_cast<uint32_t>(n_tiles);
  take_tiles(0);
  spin_until_done([&] {
    uint32_t n_finished = 0;
    for (const Share& share : shares_) n_finished += share.n_finished.load(std::memory_order_acquire);
    return n_finished == n_posted_;
  });
}

// Watches its own share: of a job with fewer tiles than threads most have none, and sleep when such jobs are all there
// is for a while.
void ThreadPool::work(int thread) noexcept {
  const Share& own = shares_[static_cast<size_t>(thread)];
  const auto is_posted = [&] { return has_more(own.tiles.load(std::memory_order_acquire)); };
  for (;;) {
    for (int spin = 0; spin < kSpins && !is_posted(); spin++) _mm_pause();
    if (!is_posted()) {
      const uint32_t seen = n_jobs_.load();
      if (stopping_.load()) return;
      if (!is_posted()) n_jobs_.wait(seen);
    }
    take_tiles(thread);
  }
}

}  // namespace nextn
