// What steps cost on this machine, with this model and these flags, in milliseconds: measured once
// (engine/calibration.h), corrected by every cycle that runs. No clock in here: who runs a cycle tells how long it
// took.
//
// A correction has two parts: a drift that all costs share (the machine got busier, the context longer), and one of
// each entry's own, of which its neighbours take their share. An entry's own correction weighs more the longer it was
// not seen, and fades, so that one bad moment of an entry that is no longer used is not believed for ever.
#pragma once

#include <span>
#include <vector>

namespace nextn {

class StepCosts {
 public:
  // verify_ms[M - 1]: a step of the trunk over M rows, logits and choice of tokens included; at least one entry.
  // first_draft_ms: catching up and the first draft of a cycle; next_draft_ms: each one after it.
  StepCosts(std::vector<double> verify_ms, double first_draft_ms, double next_draft_ms);

  // Figures in proportion to one plain step, for a model that nobody measured: no speed depends on them being right
  // for long, no text ever does.
  static StepCosts guess(int max_draft);

  int max_draft() const noexcept { return static_cast<int>(verify_.size()) - 1; }
  double verify(int rows) const noexcept;                                   // 1 <= rows <= max_draft() + 1
  double drafts(int n) const noexcept;                                      // n drafts in a cycle; 0 for none
  double cycle(int n) const noexcept { return drafts(n) + verify(n + 1); }  // n drafts, all of them verified

  // A step of `rows` rows took ms; n > 0 drafts took ms.
  void saw_verify(int rows, double ms) noexcept;
  void saw_drafts(int n, double ms) noexcept;

  // As they were measured, without corrections.
  std::span<const double> measured_verify() const noexcept { return verify_; }
  double measured_first_draft() const noexcept { return first_draft_; }
  double measured_next_draft() const noexcept { return next_draft_; }

 private:
  // What one cost departs from the table, as the logarithm of a factor.
  struct Own {
    double factor = 0;
    int unseen = 0;  // observations of any cost since the last of this one
  };
  // The part of a surprise that goes to `own`; the other part goes to the drift.
  double saw(Own* own, double expected, double ms) noexcept;

  std::vector<double> verify_;  // by rows - 1
  double first_draft_, next_draft_;
  std::vector<Own> verify_own_;
  Own draft_own_;
  double drift_ = 0;
};

}  // namespace nextn
