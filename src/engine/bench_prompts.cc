#include "engine/bench_prompts.h"

namespace nextn {

namespace {

constexpr std::string_view kCodePython =
    R"(Write a Python module that reads a log file whose lines look like "2031-04-07 13:05:22 WARN disk /dev/sdb1 is 91% full".
It should parse each line into a dataclass with the fields time, level and message, skip lines that do not match and count
them, and offer a function that groups the entries by hour and level. Use type hints and the standard library only, and add
two short unit tests.

```python
import re
from collections import Counter
from dataclasses import dataclass
)";

constexpr std::string_view kCodeCpp =
    R"(Write a C++20 class template RingBuffer<T, N> with a fixed capacity of N elements and no dynamic allocation. It needs
push_back, which overwrites the oldest element when the buffer is full, pop_front, operator[] counted from the oldest
element, size, empty, and forward iterators so that a range-based for loop works. Elements that are not there must not be
constructed. Explain in one comment how the storage is kept aligned.

```cpp
#include <array>
#include <cstddef>
#include <new>
#include <utility>
)";

constexpr std::string_view kExplain =
    R"(Explain to a curious beginner why the sky is blue at noon and red in the evening. Say what scattering is, why short
waves are scattered more than long ones, why the sky does not look violet, and what the length of the light's way through the
air has to do with it. Use everyday comparisons and no formulas.

Explanation:)";

constexpr std::string_view kSummary =
    R"(Summarise the following report in three sentences.

The town council met on Tuesday to decide about the old tram depot beside the river. The building has stood empty for eleven
years, and its roof was damaged again in the storms of last winter. Three plans were on the table. The first would pull the
depot down and make room for a car park with two hundred places, which the shop owners of the main street had asked for. The
second, put forward by a group of residents, would turn the hall into a covered market with a library on the upper floor; a
local engineer had estimated its cost at four million, about twice that of the car park. The third plan, to sell the ground to
a hotel company, was withdrawn before the meeting because the company would not promise to keep the public path along the
water. After a debate of nearly four hours, in which more than forty people spoke, the council voted eleven to six for the
market, on condition that half of the money comes from the regional fund for historic buildings. If the fund refuses, the
question returns to the council in spring. Repairs to the roof begin next month in either case.

Summary:)";

constexpr std::string_view kFactual =
    R"(Answer each question in one or two sentences.

Q: Which planet of the solar system has the shortest year, and how long is it?
A: Mercury has the shortest year; it goes around the Sun in about 88 days.

Q: Why do ships float although steel is heavier than water?
A:)";

constexpr std::string_view kTranslation =
    R"(Translate the following text from English into German. Keep the tone friendly and plain.

English: Dear neighbours, from Monday on the water in our house will be turned off every morning between nine and eleven,
because the pipes in the cellar are being renewed. The work should take about a week. Please fill a few bottles in the evening
so that you can make coffee and tea, and do not forget to close all taps before you leave. If you have a baby at home or need
water for another reason, ring at the ground floor; we will find a way. Thank you for your patience.

German:)";

constexpr std::string_view kCreative =
    R"(Write the beginning of a short story. A lighthouse keeper finds a letter in a bottle; it is addressed to her, in her own
handwriting, and dated ten years in the future. Write in the past tense, with quiet humour, and let the first sentence make
the reader want the second.

)";

constexpr std::string_view kMaths =
    R"(Solve the problem step by step and check the result at the end.

Problem: A cyclist rides from a village to a town at 18 kilometres an hour and returns on the same road at 12 kilometres an
hour. The whole trip takes 5 hours, of which half an hour is a rest in the town. How far is the town from the village, and
what is the average speed while riding?

Solution:
Step 1:)";

constexpr std::string_view kCodeReview =
    R"(You are reviewing a change to a small job scheduler. Read the whole file, then list the problems that you find, the worst
first. For each one name the function, say what goes wrong and in which situation, and propose a correction in code. Look for
races, lost wake-ups, iterators that are no longer valid, missing error handling, and costs that grow with the number of jobs.

```cpp
// scheduler.cpp: runs jobs at given times on a number of worker threads.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

using TimePoint = std::chrono::system_clock::time_point;

struct Job {
  int id;
  std::string name;
  TimePoint due;
  std::chrono::seconds period;  // zero: once
  std::function<void()> work;
  int failures = 0;
  bool cancelled = false;
};

class Scheduler {
 public:
  explicit Scheduler(int n_workers) {
    for (int i = 0; i <= n_workers; i++) {
      workers_.push_back(std::thread([this] { worker_loop(); }));
    }
  }

  ~Scheduler() {
    stopping_ = true;
    wake_.notify_one();
    for (auto& worker : workers_) worker.join();
  }

  int add(const std::string& name, TimePoint due, std::chrono::seconds period, std::function<void()> work) {
    Job* job = new Job{next_id_++, name, due, period, work};
    std::lock_guard<std::mutex> lock(mutex_);
    jobs_.push_back(job);
    std::sort(jobs_.begin(), jobs_.end(), [](Job* a, Job* b) { return a->due <= b->due; });
    wake_.notify_one();
    return job->id;
  }

  bool cancel(int id) {
    for (auto it = jobs_.begin(); it != jobs_.end(); ++it) {
      if ((*it)->id == id) {
        std::lock_guard<std::mutex> lock(mutex_);
        delete *it;
        jobs_.erase(it);
        return true;
      }
    }
    return false;
  }

  void cancel_all(const std::string& name) {
    std::lock_guard<std::mutex> lock(mutex_);
    for (auto it = jobs_.begin(); it != jobs_.end(); ++it) {
      if ((*it)->name == name) jobs_.erase(it);
    }
  }

  std::map<std::string, int> failure_report() {
    std::map<std::string, int> report;
    for (Job* job : jobs_) report[job->name] = job->failures;
    return report;
  }

  void wait_until_idle() {
    while (!jobs_.empty() || running_ > 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

 private:
  void worker_loop() {
    while (!stopping_) {
      std::unique_lock<std::mutex> lock(mutex_);
      if (jobs_.empty()) {
        wake_.wait(lock);
      }
      Job* job = jobs_.front();
      auto now = std::chrono::system_clock::now();
      if (job->due > now) {
        wake_.wait_for(lock, job->due - now);
      }
      jobs_.erase(jobs_.begin());
      running_++;
      lock.unlock();
      try {
        job->work();
      } catch (...) {
        job->failures++;
        std::printf("job %s failed for the %d. time\n", job->name.c_str(), job->failures);
      }
      running_--;
      if (job->period.count() > 0 && job->failures < kMaxFailures) {
        job->due += job->period;
        lock.lock();
        jobs_.push_back(job);
        std::sort(jobs_.begin(), jobs_.end(), [](Job* a, Job* b) { return a->due <= b->due; });
      } else {
        delete job;
      }
    }
  }

  static constexpr int kMaxFailures = 5;

  std::vector<std::thread> workers_;
  std::vector<Job*> jobs_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  int running_ = 0;
  int next_id_ = 1;
};
```

Review:
1.)";

constexpr BenchPrompt kPrompts[] = {
    {"code_python", kCodePython}, {"code_cpp", kCodeCpp}, {"explain", kExplain},
    {"summary", kSummary},        {"factual", kFactual},  {"translation", kTranslation},
    {"creative", kCreative},      {"maths", kMaths},      {"code_review", kCodeReview},
};

}  // namespace

std::span<const BenchPrompt> bench_prompts() noexcept {
  return kPrompts;
}

}  // namespace nextn
