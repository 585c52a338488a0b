// Where a step's time goes, op by op. Ops begin with an OpTimer; it costs a branch where nobody has asked for a
// profile.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstring>

#include "base/clock.h"
#include "ops/ctx.h"

namespace nextn {

class StepProfile {
 public:
  struct Entry {
    const char* name = nullptr;
    int64_t calls = 0;
    double ns = 0;
    double bytes = 0;  // of weights read
  };

  // `name` is kept. Beyond kMaxEntries names the last entry takes all.
  void add(const char* name, double ns, double bytes) noexcept {
    int i = 0;
    while (i < n_ && std::strcmp(entries_[i].name, name) != 0) i++;
    if (i == n_) {
      if (n_ < kMaxEntries) entries_[n_++].name = name;
      i = n_ - 1;
    }
    entries_[i].calls++;
    entries_[i].ns += ns;
    entries_[i].bytes += bytes;
  }
  void clear() noexcept { *this = StepProfile(); }
  const Entry* begin() const noexcept { return entries_; }
  const Entry* end() const noexcept { return entries_ + n_; }

 private:
  static constexpr int kMaxEntries = 32;
  Entry entries_[kMaxEntries];
  int n_ = 0;
};

namespace ops {

// Adds the time until its end to the profile of the context, if there is one.
class OpTimer {
 public:
  OpTimer(const Ctx& ctx, const char* name, double bytes = 0) noexcept
      : profile_(ctx.profile), name_(name), bytes_(bytes) {
    if (profile_ != nullptr) start_ = Clock::now();
  }
  ~OpTimer() {
    if (profile_ == nullptr) return;
    profile_->add(name_, std::chrono::duration<double, std::nano>(Clock::now() - start_).count(), bytes_);
  }
  OpTimer(const OpTimer&) = delete;
  OpTimer& operator=(const OpTimer&) = delete;

 private:
  StepProfile* const profile_;
  const char* const name_;
  const double bytes_;
  Clock::time_point start_{};
};

}  // namespace ops

}  // namespace nextn
