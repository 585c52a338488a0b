#include "base/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <vector>

#include "base/error.h"

#if defined(__has_feature)  // clang's way to tell of a sanitizer
#define NEXTN_HAS_FEATURE(x) __has_feature(x)
#else
#define NEXTN_HAS_FEATURE(x) 0
#endif

namespace nextn {
namespace {

TEST(ThreadPool, RunsEveryTileExactlyOnce) {
  for (int n_threads = 1; n_threads <= 4; n_threads++) {
    ThreadPool pool(n_threads);
    ASSERT_EQ(pool.n_threads(), n_threads);
    for (int n_tiles = 0; n_tiles <= 1000; n_tiles++) {
      std::vector<int> times(n_tiles);  // plain memory: what the threads wrote must be visible after run()
      pool.run(n_tiles, [&](int tile) { times[tile]++; });
      for (int tile = 0; tile < n_tiles; tile++) {
        ASSERT_EQ(times[tile], 1) << "tile " << tile << " of " << n_tiles << ", " << n_threads << " threads";
      }
    }
  }
}

// Jobs of changing size, each on the stack of its own call, one right after the other: a worker that comes late to one
// must do no harm to the next.
TEST(ThreadPool, ManyShortJobsInARow) {
  for (int n_threads = 2; n_threads <= 4; n_threads++) {
    ThreadPool pool(n_threads);
    int64_t sum = 0, expected = 0;
    for (int job = 0; job < 20'000; job++) {
      const int n_tiles = 2 + job % 7;
      std::vector<int64_t> result(n_tiles, -1);
      volatile int spent[8];
      pool.run(n_tiles, [&, job](int tile) {
        for (int i = 0; i < (job + tile) % 5 * 100; i++) spent[tile] = i;
        result[tile] = 1000 * job + tile;
      });
      sum += std::accumulate(result.begin(), result.end(), int64_t{0});
      expected += static_cast<int64_t>(n_tiles) * 1000 * job + n_tiles * (n_tiles - 1) / 2;
    }
    ASSERT_EQ(sum, expected);
  }
}

// Thread t of T begins with its share: here none can go on before all have begun. Not in every job, for who comes late
// from the one before may begin with another's.
TEST(ThreadPool, ThreadsBeginWithTheirShares) {
  const int n_threads = 3, n_tiles = 10, n_jobs = 50;
  thread_local int number = -1;
  ThreadPool pool(n_threads, [](int thread) { number = thread; });
  const int first[n_threads] = {0, 4, 7};
  int n_with_own = 0;
  for (int job = 0; job < n_jobs; job++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::atomic<int> begun{0};
    int by[n_tiles] = {};
    pool.run(n_tiles, [&](int tile) {
      by[tile] = number;
      for (begun++; begun < n_threads;) std::this_thread::yield();
    });
    n_with_own += by[first[0]] == 0 && by[first[1]] == 1 && by[first[2]] == 2;
  }
  EXPECT_GT(n_with_own, n_jobs / 2);
}

// Each tile waits for the one before, so no other than the next few can have begun; and the first for a second thread.
TEST(ThreadPool, InOrderATileRunsAfterOrBesideThoseBefore) {
  for (int n_threads = 1; n_threads <= 4; n_threads++) {
    ThreadPool pool(n_threads);
    for (int n_tiles = 0; n_tiles < 60; n_tiles++) {
      std::atomic<int> n_begun{0}, n_done{0};
      pool.run_in_order(n_tiles, [&](int tile) {
        const int n_before = n_begun++;
        EXPECT_LT(std::abs(n_before - tile), n_threads) << "tile " << tile << " of " << n_tiles;
        while (tile == 0 && n_begun < std::min(n_threads, std::min(n_tiles, 2))) std::this_thread::yield();
        spin_until(n_done, tile);
        n_done++;
      });
      EXPECT_EQ(n_done, n_tiles);
    }
  }
}

// Each job reads, at other tiles, what the job before has written.
TEST(ThreadPool, OneJobSeesWhatTheOneBeforeWrote) {
  ThreadPool pool(4);
  const int n = 64;
  std::vector<std::vector<int>> now(n, {0}), next(n);
  for (int job = 1; job <= 1000; job++) {
    pool.run(n, [&](int tile) { next[tile] = {now[(tile + 17) % n][0] + 1}; });
    std::swap(now, next);
  }
  for (int tile = 0; tile < n; tile++) EXPECT_EQ(now[tile][0], 1000);
}

TEST(ThreadPool, WorkersThatSleepAreWoken) {
  ThreadPool pool(2);
  for (int job = 0; job < 20; job++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // past the time workers spin
    std::atomic<int> arrived{0};
    // Tile 0 and tile 1 wait for each other: this ends only if two threads run them.
    pool.run(2, [&](int) {
      arrived++;
      while (arrived < 2) std::this_thread::yield();
    });
    EXPECT_EQ(arrived, 2);
  }
}

TEST(ThreadPool, ComesAndGoesWithoutWork) {
  for (int i = 0; i < 200; i++) ThreadPool pool(1 + i % 4);
}

// Where the system refuses a thread, those that were started end and the error is ours. In a process of its own.
void start_more_threads_than_there_is_room_for() {
  const rlimit limit = {200u << 20, 200u << 20};  // of address space: enough for some stacks of 8 MiB
  setrlimit(RLIMIT_AS, &limit);
  alarm(20);
  try {
    ThreadPool pool(200);
  } catch (const Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    std::_Exit(e.code() == ErrorCode::kSystem ? 3 : 4);
  }
  std::_Exit(0);
}

TEST(ThreadPoolDeathTest, ThreadsThatAreNotToBeHadAreAnError) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) || NEXTN_HAS_FEATURE(thread_sanitizer) || \
    NEXTN_HAS_FEATURE(address_sanitizer)
  GTEST_SKIP() << "sanitizers need the address space themselves";
#endif
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(start_more_threads_than_there_is_room_for(), ::testing::ExitedWithCode(3), "threads: expected 200");
}

}  // namespace
}  // namespace nextn
