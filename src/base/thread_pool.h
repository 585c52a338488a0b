// A fixed team of threads for the ops of a step. Every thread has a share of an op's tiles, the same part of them in
// every op, so that it reads next much of what it has written itself: cores far from each other pay for every line that
// they pass on. Who is done with its share takes what is left of the others', because the cores of a shared machine are
// not equally fast; which thread runs a tile never matters for the result. Workers spin for some microseconds between
// ops and then sleep.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace nextn {

// Waits until a thread that is running has made `value` what is wanted.
void spin_until(const std::atomic<int>& value, int wanted) noexcept;

class ThreadPool {
 public:
  // The calling thread is one of them, number 0. Each runs on_start(number) once. Throws Error{kSystem}.
  explicit ThreadPool(int n_threads, const std::function<void(int thread)>& on_start = {});
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int n_threads() const noexcept { return static_cast<int>(workers_.size()) + 1; }

  // Calls fn(tile) for every tile in [0, n_tiles), spread over the team, and returns when all are done: the share of
  // thread t of T are the tiles [n_tiles t / T, n_tiles (t + 1) / T), rounded up, because the caller begins first. `fn`
  // must not throw. Only one thread may call this at a time.
  template <class Fn>
  void run(int n_tiles, const Fn& fn) noexcept {
    if (workers_.empty() || n_tiles <= 1) {
      for (int tile = 0; tile < n_tiles; tile++) fn(tile);
      return;
    }
    run_job(n_tiles, [](const void* f, int tile) { (*static_cast<const Fn*>(f))(tile); }, &fn);
  }

  // The same, but tiles are begun one after another: while one of them runs, all before it do, or are done.
  template <class Fn>
  void run_in_order(int n_tiles, const Fn& fn) noexcept {
    alignas(64) std::atomic<int> next{0};
    run(std::min(n_tiles, n_threads()), [&](int) {
      for (int tile; (tile = next.fetch_add(1, std::memory_order_relaxed)) < n_tiles;) fn(tile);
    });
  }

 private:
  using Call = void (*)(const void* fn, int tile);

  // One thread's share of a job, and what the thread has done. A line, and an empty one: some processors fetch pairs.
  struct alignas(128) Share {
    // The next tile in the lower half, where they end in the upper one: taking a tile tells the end of the same job.
    std::atomic<uint64_t> tiles{0};
    Call call = nullptr;  // these two are stable while a tile of the share is not taken, or runs
    const void* fn = nullptr;
    std::atomic<uint32_t> n_finished{0};  // tiles, of any share, that the thread has finished since it began
  };

  void run_job(int n_tiles, Call call, const void* fn) noexcept;
  bool take_tile(Share& share) noexcept;
  void take_tiles(int thread) noexcept;
  void stop() noexcept;
  void work(int thread) noexcept;

  std::vector<Share> shares_;
  std::vector<std::jthread> workers_;
  alignas(128) std::atomic<uint32_t> n_jobs_{0};  // goes up when a job is posted: what wakes those that sleep
  std::atomic<bool> stopping_{false};
  uint32_t n_posted_ = 0;  // tiles of all jobs
};

}  // namespace nextn
