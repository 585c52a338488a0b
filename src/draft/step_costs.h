// What steps cost on this machine, with this model and these flags, in milliseconds: measured once
// (engine/calibration.h), corrected by every cycle that runs. No clock in here: who runs a cycle tells how long it
// took.
//
// A correction has two parts: a drift that all costs share (the machine got busier, the context longer), and one of
// each entry's own, of which its neighbours take their share. An entry's own correction weighs more the longer it was
// not seen, and fades, so that one bad moment of an entry that is no longer used is not believed for ever.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace nextn {

// What makes drafts, as far as their price goes.
enum class DraftKind : uint8_t {
  kHead,   // the model's MTP head
  kModel,  // another model
  kFree,   // no step of any model
};

// Milliseconds: catching up and the first draft of a cycle; each one after it.
struct DraftMs {
  double first, next;
};

class StepCosts {
 public:
  // verify_ms[M - 1]: a step of the trunk over M rows, logits and choice of tokens included; at least one entry.
  // head, model: drafts of these kinds; of a kind that nobody makes, anything.
  StepCosts(std::vector<double> verify_ms, DraftMs head, DraftMs model = {1, 1});

  // Figures in proportion to one plain step, for a model that nobody measured: no speed depends on them being right
  // for long, no text ever does.
  static StepCosts guess(int max_rows);

  int max_rows() const noexcept { return static_cast<int>(verify_.size()); }  // of the table
  double verify(int rows) const noexcept;  // rows >= 1; beyond the table as its last steps rise
  // The passes that give each of `sequences` sequences n drafts of a cycle; 0 for none, and for free ones.
  double drafts(DraftKind kind, int n, int sequences = 1) const noexcept;

  // A step of `rows` rows took ms, which says nothing about rows beyond the table.
  void saw_verify(int rows, double ms) noexcept;
  // The passes of a cycle's drafts took ms; sequences[i]: that had draft i made. Says nothing about free ones.
  void saw_drafts(DraftKind kind, std::span<const int> sequences, double ms) noexcept;

  // As they were measured, without corrections.
  std::span<const double> measured_verify() const noexcept { return verify_; }
  DraftMs measured_drafts(DraftKind kind) const noexcept { return draft_[static_cast<size_t>(kind)]; }

 private:
  double of_table(size_t i) const noexcept;
  double pass(DraftKind kind, int i, int sequences) const noexcept;

  // What one cost departs from the table, as the logarithm of a factor.
  struct Own {
    double factor = 0;
    int unseen = 0;  // observations of any cost since the last of this one
  };
  // The part of a surprise that goes to `own`; the other part goes to the drift.
  double saw(Own* own, double expected, double ms) noexcept;
  size_t shared_entry(int sequences) const noexcept;

  std::vector<double> verify_;  // by rows - 1
  DraftMs draft_[3];            // by kind
  std::vector<Own> verify_own_;
  Own draft_own_[3];
  std::vector<Own> shared_own_;  // of passes that several sequences share, on top of that, by their number - 1
  double drift_ = 0;
};

}  // namespace nextn
