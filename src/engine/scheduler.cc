#include "engine/scheduler.h"

#include <algorithm>

#include "sampling/sampler.h"

namespace nextn {

struct Scheduler::Slot {
  explicit Slot(Engine& engine) : session(engine) {}

  Session session;
  std::shared_ptr<Job> job;  // nullptr: none
  bool held = false;
  std::optional<Decoding> decoding;
  int64_t started = 0;  // number of the request that had it last

  bool free() const noexcept { return !job && !held; }
};

Scheduler::Scheduler(Engine& engine, const SchedulerOptions& options)
    : engine_(engine), options_(options), runner_(engine), kept_(engine.plan().kept_texts) {
  for (int i = 0; i < engine.options().n_parallel; i++) slots_.push_back(std::make_unique<Slot>(engine));
  stats_.slots.resize(slots_.size());
  stats_.step_ms.resize(static_cast<size_t>(engine.costs().max_rows()));
}

Scheduler::~Scheduler() = default;

// ------------------------------------------------------------------------------------------------ any thread

std::vector<std::shared_ptr<Job>> Scheduler::submit(std::vector<Request> requests) {
  if (requests.size() > options_.queue_limit) {
    fail(ErrorCode::kRequest, "expected at most {} answers to one request, found {}", options_.queue_limit,
         requests.size());
  }
  std::vector<std::shared_ptr<Job>> jobs;
  for (Request& request : requests) {
    check_sampler_params(request.params.sampling, static_cast<int32_t>(engine_.model().info().n_vocab),
                         ErrorCode::kRequest);
    engine_.check_prompt(request.prompt);
    jobs.push_back(std::make_shared<Job>(std::move(request)));
  }
  const std::lock_guard lock(mutex_);
  if (draining_) fail(ErrorCode::kBusy, "the server is ending and takes no more requests");
  if (queue_.size() + jobs.size() > options_.queue_limit) {
    fail(ErrorCode::kBusy, "queue: expected room for {} of {} waiting requests, found {} waiting", jobs.size(),
         options_.queue_limit, queue_.size());
  }
  queue_.insert(queue_.end(), jobs.begin(), jobs.end());
  work_.notify_one();
  return jobs;
}

std::shared_ptr<Job> Scheduler::submit(Request request) {
  std::vector<Request> requests;
  requests.push_back(std::move(request));
  return submit(std::move(requests)).front();
}

void Scheduler::drain() {
  const std::lock_guard lock(mutex_);
  draining_ = true;
  work_.notify_one();
}

void Scheduler::hold(int slot, std::function<void(Session&)> use) {
  if (slot < 0 || slot >= n_slots()) {
    fail(ErrorCode::kRequest, "slot: expected one from 0 to {}, found {}", n_slots() - 1, slot);
  }
  const std::lock_guard lock(mutex_);
  if (draining_) fail(ErrorCode::kBusy, "the server is ending and takes no more requests");
  holds_.push_back({slots_[static_cast<size_t>(slot)].get(), std::move(use)});
  work_.notify_one();
}

void Scheduler::release(int slot) {
  const std::lock_guard lock(mutex_);
  Slot& held = *slots_[static_cast<size_t>(slot)];
  held.held = false;
  held.started = ++n_started_;  // what was put into it is worth keeping
  stats_.slots[static_cast<size_t>(slot)].context_n = held.session.length();
  work_.notify_one();
}

void Scheduler::cancel_all() {
  const std::lock_guard lock(mutex_);
  for (const std::shared_ptr<Job>& job : queue_) job->cancel();
  for (const std::unique_ptr<Slot>& slot : slots_) {
    if (slot->job) slot->job->cancel();
  }
}

bool Scheduler::busy() const {
  const std::lock_guard lock(mutex_);
  return !queue_.empty() || std::ranges::any_of(slots_, [](const auto& slot) { return slot->job != nullptr; });
}

SchedulerStats Scheduler::stats() const {
  const std::lock_guard lock(mutex_);
  SchedulerStats out = stats_;
  out.waiting = static_cast<int64_t>(queue_.size());
  return out;
}

// ------------------------------------------------------------------------------------------------ the engine's thread

void Scheduler::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      const auto drained = [&] { return draining_ && queue_.empty() && active_.empty() && holds_.empty(); };
      if (engine_.packed()) work_.wait(lock, [&] { return has_work() || drained(); });
      if (drained()) return;
    }
    if (!step()) engine_.pack_some();
  }
}

bool Scheduler::has_work() const {
  return !active_.empty() || std::ranges::any_of(holds_, [](const Hold& hold) { return hold.slot->free(); }) ||
         (!queue_.empty() && std::ranges::any_of(slots_, [](const auto& slot) { return slot->free(); }));
}

// Before requests are admitted, so that nobody waits for a slot for ever.
bool Scheduler::grant_holds() {
  for (bool granted = false;; granted = true) {
    Hold hold;
    {
      const std::lock_guard lock(mutex_);
      const auto at = std::ranges::find_if(holds_, [](const Hold& waiting) { return waiting.slot->free(); });
      if (at == holds_.end()) return granted;
      hold = std::move(*at);
      holds_.erase(at);
      hold.slot->held = true;
    }
    hold.slot->session.make_canonical();
    hold.use(hold.slot->session);
  }
}

bool Scheduler::step() {
  const bool granted = grant_holds();
  admit();
  if (active_.empty()) return granted;
  std::vector<Decoding*> decodings;
  for (Slot* slot : active_) decodings.push_back(&*slot->decoding);
  const int n_rows = runner_.run(decodings, [this](int n_others) { return prompt_rows(n_others); });
  {
    const std::lock_guard lock(mutex_);
    stats_.steps += n_rows > 0;
    stats_.step_rows += n_rows;
    stats_.kept_texts = static_cast<int64_t>(kept_.n_texts());
    stats_.kept_bytes = kept_.bytes();
    for (size_t i = 0; i < slots_.size(); i++) {
      if (!slots_[i]->held) stats_.slots[i].context_n = slots_[i]->session.length();
    }
    for (size_t i = 0; i < stats_.step_ms.size(); i++) {
      stats_.step_ms[i] = engine_.costs().verify(static_cast<int>(i) + 1);
    }
  }
  const std::vector<Slot*> active = active_;
  for (Slot* slot : active) {
    if (slot->decoding->ended()) finish(*slot);
  }
  return true;
}

SchedulerStats::Slot& Scheduler::slot_stats(const Slot& slot) {
  const auto at = std::ranges::find_if(slots_, [&](const auto& other) { return other.get() == &slot; });
  return stats_.slots[static_cast<size_t>(at - slots_.begin())];
}

// A free slot whose text is mostly the prompt's beginning goes on with it. Else the free slot that was used the longest
// ago takes over what any slot or a text that none holds has of that beginning.
Scheduler::Place Scheduler::place_for(const std::vector<int32_t>& prompt) {
  Place place;
  Slot* own = nullptr;
  int64_t own_length = 0, other_length = 0;
  for (const std::unique_ptr<Slot>& slot : slots_) {
    if (slot->held) continue;
    const int64_t shareable = slot->session.shareable(prompt);
    if (shareable > other_length) {
      other_length = shareable;
      place.other = slot.get();
    }
    if (slot->job) continue;
    const int64_t length = slot->session.resumable(prompt);
    if (length > own_length && 2 * length >= slot->session.length()) {
      own_length = length;
      own = slot.get();
    }
    if (place.slot == nullptr || slot->started < place.slot->started) place.slot = slot.get();
  }
  if (place.slot == nullptr) return place;
  const int64_t kept_length = kept_.resumable(prompt);
  if (own != nullptr && own_length >= std::max(other_length, kept_length)) {
    return {.slot = own, .loses = own->session.length() - own_length >= kWorthKeeping};
  }
  place.loses = true;
  if (kept_length > other_length) {
    place.best = Place::kKept;
  } else if (place.other != nullptr && place.other != place.slot) {
    place.best = Place::kOther;
  }
  return place;
}

// Puts what has been read of the prompt into the slot; the text that leaves it for that is kept.
void Scheduler::prepare(const Place& place, const std::vector<int32_t>& prompt) {
  Session& session = place.slot->session;
  if (place.best == Place::kKept) return kept_.take(prompt, session);
  if (place.loses) kept_.put(session);
  if (place.best == Place::kOther) session.share(place.other->session, prompt);
}

void Scheduler::admit() {
  for (;;) {
    std::shared_ptr<Job> job;
    Place place;
    {
      const std::lock_guard lock(mutex_);
      const auto first_cancelled =
          std::ranges::find_if(queue_, [](const auto& waiting) { return waiting->cancelled(); });
      if (first_cancelled != queue_.end()) {
        job = *first_cancelled;
        queue_.erase(first_cancelled);
        stats_.cancelled++;
      } else if (!queue_.empty() && (place = place_for(queue_.front()->request_.prompt)).slot != nullptr) {
        job = queue_.front();
        queue_.pop_front();
        place.slot->job = job;
        place.slot->started = ++n_started_;
        slot_stats(*place.slot) = {true, static_cast<int64_t>(job->request_.prompt.size()), 0};
      } else {
        return;
      }
    }
    Slot* const slot = place.slot;
    if (slot == nullptr) {
      Generation nothing;
      nothing.end_reason = EndReason::kInterrupt;
      job->request_.on_done(std::move(nothing));
      continue;
    }
    try {
      prepare(place, job->request_.prompt);
      slot->decoding.emplace(slot->session, job->request_.prompt, job->request_.params);
      active_.push_back(slot);
    } catch (const std::exception& e) {
      end(*slot, std::nullopt, Error(ErrorCode::kSystem, e.what()));
    }
  }
}

void Scheduler::finish(Slot& slot) {
  std::erase(active_, &slot);
  std::optional<Generation> made;
  std::optional<Error> error;
  try {
    made = slot.decoding->finish();
  } catch (const Error& e) {
    error = e;
  } catch (const std::exception& e) {
    error = Error(ErrorCode::kSystem, e.what());
  }
  slot.decoding.reset();
  end(slot, std::move(made), error);
}

// The slot is free again, and the client told.
void Scheduler::end(Slot& slot, std::optional<Generation> made, const std::optional<Error>& error) {
  std::shared_ptr<Job> job;
  {
    const std::lock_guard lock(mutex_);
    job = std::move(slot.job);
    slot.job = nullptr;
    slot_stats(slot) = {false, 0, slot.session.length()};
    stats_.requests++;
    if (made) {
      const GenerateStats& s = made->stats;
      stats_.cancelled += made->end_reason == EndReason::kInterrupt;
      stats_.prompt_tokens += s.prompt_n;
      stats_.cached_tokens += s.cached_n;
      stats_.predicted_tokens += static_cast<int64_t>(made->tokens.size());
      for (const int64_t n : s.drafted) stats_.drafted += n;
      for (const int64_t n : s.accepted) stats_.accepted += n;
    } else {
      stats_.errors++;
    }
  }
  made ? job->request_.on_done(std::move(*made)) : job->request_.on_error(*error);
}

// All that a step has room for while nobody waits for a token, else as many as slow the others down as far as they may
// be.
int Scheduler::prompt_rows(int n_others) const {
  const int most = engine_.options().row_limit;
  if (n_others == 0) return most;
  const StepCosts& costs = engine_.costs();
  const double limit = options_.prefill_slowdown * costs.verify(n_others);
  int n = 1;
  while (n < most && costs.verify(n_others + n + 1) <= limit) n++;
  return n;
}

}  // namespace nextn
