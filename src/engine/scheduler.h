// Serves many requests on one engine: a bounded queue, as many sequences at once as there are slots, steps that hold
// the rows of all of them. Requests come from any thread; one thread runs the steps and calls back.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/error.h"
#include "engine/decoding.h"
#include "engine/prefix_cache.h"
#include "engine/session.h"
#include "engine/step_runner.h"

namespace nextn {

// One text to be written. The callbacks, params.on_text among them, run on the scheduler's thread: they must not block
// and must not throw.
struct Request {
  std::vector<int32_t> prompt;
  GenerateParams params;  // its `stop` is the job's own
  // One of them is called, once.
  std::function<void(Generation&&)> on_done;
  std::function<void(const Error&)> on_error;
};

// A request that was taken in.
class Job {
 public:
  explicit Job(Request request) : request_(std::move(request)) { request_.params.stop = &cancelled_; }
  // From any thread: it ends before the next step, with what it has (EndReason::kInterrupt).
  void cancel() noexcept { cancelled_.store(true, std::memory_order_relaxed); }

 private:
  friend class Scheduler;

  bool cancelled() const noexcept { return cancelled_.load(std::memory_order_relaxed); }

  Request request_;
  std::atomic<bool> cancelled_ = false;
};

struct SchedulerOptions {
  size_t queue_limit = 256;  // requests that wait
  // While a prompt is read beside texts that are being written, a step may take so many times what it takes without the
  // prompt's rows.
  double prefill_slowdown = 2;
};

struct SchedulerStats {
  struct Slot {
    bool busy = false;
    int64_t prompt_n = 0;   // tokens of its prompt
    int64_t context_n = 0;  // of its text that have been through the trunk
  };
  std::vector<Slot> slots;
  int64_t waiting = 0;
  int64_t kept_texts = 0;  // that no slot holds (engine/prefix_cache.h), and their bytes
  uint64_t kept_bytes = 0;
  // since the start, of requests that have ended
  int64_t requests = 0, errors = 0, cancelled = 0;
  int64_t prompt_tokens = 0, cached_tokens = 0, predicted_tokens = 0, drafted = 0, accepted = 0;
  int64_t steps = 0, step_rows = 0;
  std::vector<double> step_ms;  // what a step of 1, 2, .. rows takes, as the draft controller has it
};

class Scheduler {
 public:
  // Takes the memory of options.n_parallel sequences of the engine, which outlives it. Throws Error{kSystem}.
  Scheduler(Engine& engine, const SchedulerOptions& options);
  ~Scheduler();

  // From any thread. All or none. Throws Error{kRequest} for a prompt or parameters that are not right and for more
  // requests than the queue ever holds, Error{kBusy} when there is no room for them now or drain() has been called.
  std::vector<std::shared_ptr<Job>> submit(std::vector<Request> requests);
  std::shared_ptr<Job> submit(Request request);
  // Takes no more requests; run() returns when the last one has ended.
  void drain();
  void cancel_all();
  bool busy() const;  // requests run or wait
  int n_slots() const noexcept { return static_cast<int>(slots_.size()); }
  // Takes the session of a slot out of use, as soon as no request has it: before requests that wait, which go to other
  // slots meanwhile. `use` gets it in its canonical state on the engine's thread, must not block or throw, and may hand
  // it to another thread; nobody else touches it until release(). From any thread. Throws Error{kRequest} for a slot
  // that is not there, Error{kBusy} after drain().
  void hold(int slot, std::function<void(Session&)> use);
  void release(int slot);
  SchedulerStats stats() const;

  // The thread that owns the engine: steps while there is work, else packs what is not yet packed, else sleeps; until
  // drained.
  void run();
  // One step; false where there was nothing to do.
  bool step();

 private:
  struct Slot;

  bool grant_holds();
  bool has_work() const;  // under the mutex
  void admit();
  // Where a request goes: a free slot, and what has read most of its prompt.
  struct Place {
    Slot* slot = nullptr;
    enum { kOwn, kOther, kKept } best = kOwn;  // the slot's own text, that of `other`, one that no slot holds
    Slot* other = nullptr;
    bool loses = false;  // much of the slot's own text
  };
  Place place_for(const std::vector<int32_t>& prompt);
  void prepare(const Place& place, const std::vector<int32_t>& prompt);
  SchedulerStats::Slot& slot_stats(const Slot& slot);  // under the mutex
  void finish(Slot& slot);
  void end(Slot& slot, std::optional<Generation> made, const std::optional<Error>& error);
  int prompt_rows(int n_others) const;

  Engine& engine_;
  SchedulerOptions options_;
  StepRunner runner_;
  PrefixCache kept_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Slot*> active_;  // in the order in which they came
  int64_t n_started_ = 0;

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable work_;
  std::deque<std::shared_ptr<Job>> queue_;
  struct Hold {
    Slot* slot;
    std::function<void(Session&)> use;
  };
  std::deque<Hold> holds_;  // that wait
  bool draining_ = false;
  SchedulerStats stats_;
};

}  // namespace nextn
