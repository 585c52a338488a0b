// A fixed team of threads for the ops of a step. Work is a number of tiles that threads take one after another from an
// atomic counter, because the cores of a shared machine are not equally fast; which thread runs a tile never matters
// for the result. Workers spin for some microseconds between ops and then sleep.
#pragma once

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

  // Calls fn(tile) for every tile in [0, n_tiles), spread over the team, and returns when all are done. `fn` must not
  // throw. Only one thread may call this at a time.
  template <class Fn>
  void run(int n_tiles, const Fn& fn) noexcept {
    if (workers_.empty() || n_tiles <= 1) {
      for (int tile = 0; tile < n_tiles; tile++) fn(tile);
      return;
    }
    run_job(n_tiles, [](const void* f, int tile) { (*static_cast<const Fn*>(f))(tile); }, &fn);
  }

 private:
  using Call = void (*)(const void* fn, int tile);

  void run_job(int n_tiles, Call call, const void* fn) noexcept;
  void stop() noexcept;
  void work() noexcept;
  void take_tiles() noexcept;

  std::vector<std::jthread> workers_;
  std::atomic<uint32_t> n_jobs_{0};  // changes when a job is posted: what workers watch
  std::atomic<bool> stopping_{false};
  // The number of tiles of the job and the next tile to take, in one word, so that a worker that comes late to a job
  // that is over can never take its count for that of the next one.
  alignas(64) std::atomic<uint64_t> tiles_{0};
  alignas(64) std::atomic<int> unfinished_{0};  // tiles of the job that nobody has finished
  Call call_ = nullptr;                         // stable while unfinished_ > 0
  const void* fn_ = nullptr;
};

}  // namespace nextn
