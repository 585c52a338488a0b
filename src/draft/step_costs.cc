#include "draft/step_costs.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace nextn {

namespace {

constexpr double kDriftRate = 0.1;   // of a surprise that is put down to the machine
constexpr double kOwnRate = 0.03;    // and to the entry itself, times its unseen observations
constexpr double kMaxOwnRate = 0.4;  // at most
constexpr double kOwnFade = 0.998;   // of an entry's own correction, with every observation of any entry
constexpr size_t kLastSteps = 4;     // of the table, whose rise rows beyond it go on with
constexpr double kNeighbour = 0.6;   // of an entry's correction that the next one takes over, and so on
// A thread that lost its core for a while says little about costs; one that was fast did nothing by accident.
constexpr double kMaxSurprise = 0.5, kMinSurprise = -2;

}  // namespace

StepCosts::StepCosts(std::vector<double> verify_ms, DraftMs head, DraftMs model)
    : verify_(std::move(verify_ms)),
      draft_{head, model, {0, 0}},
      verify_own_(verify_.size()),
      shared_own_(verify_.size()) {
  NEXTN_CHECK(!verify_.empty());
  // More rows never cost less: where a measurement says so it was disturbed, and the larger number is the safer one.
  for (size_t i = 1; i < verify_.size(); i++) verify_[i] = std::max(verify_[i], verify_[i - 1]);
}

StepCosts StepCosts::guess(int max_rows) {
  std::vector<double> verify;
  for (int rows = 1; rows <= max_rows; rows++) verify.push_back(1 + 0.15 * (rows - 1));
  return {std::move(verify), {0.1, 0.1}, {0.1, 0.1}};
}

double StepCosts::of_table(size_t i) const noexcept {
  return verify_[i] * std::exp(verify_own_[i].factor + drift_);
}

double StepCosts::verify(int rows) const noexcept {
  const size_t n = verify_.size(), i = static_cast<size_t>(rows - 1);
  if (i < n) return of_table(i);
  const size_t before = std::min(n - 1, kLastSteps);
  const double last = of_table(n - 1);
  const double rise = before == 0 ? last : std::max(0.0, last - of_table(n - 1 - before)) / static_cast<double>(before);
  return last + rise * static_cast<double>(i - (n - 1));
}

size_t StepCosts::shared_entry(int sequences) const noexcept {
  return std::min(static_cast<size_t>(sequences), verify_.size()) - 1;
}

// A pass over the rows of several sequences is thought to take more as a step of the trunk does, until it is seen.
double StepCosts::pass(DraftKind kind, int i, int sequences) const noexcept {
  const DraftMs& ms = draft_[static_cast<size_t>(kind)];
  const double alone = (i == 0 ? ms.first : ms.next) * std::exp(draft_own_[static_cast<size_t>(kind)].factor + drift_);
  if (sequences == 1) return alone;
  return alone * verify(sequences) / verify(1) * std::exp(shared_own_[shared_entry(sequences)].factor);
}

double StepCosts::drafts(DraftKind kind, int n, int sequences) const noexcept {
  return n == 0 ? 0 : pass(kind, 0, sequences) + (n - 1) * pass(kind, 1, sequences);
}

double StepCosts::saw(Own* own, double expected, double ms) noexcept {
  if (!(ms > 0) || !(expected > 0)) return 0;
  const double surprise = std::clamp(std::log(ms / expected), kMinSurprise, kMaxSurprise);
  const double rate = std::min(kOwnRate * (1 + own->unseen), kMaxOwnRate);
  own->unseen = -1;
  const auto pass = [](Own& o) {
    o.factor *= kOwnFade;
    o.unseen++;
  };
  for (Own& o : verify_own_) pass(o);
  for (Own& o : draft_own_) pass(o);
  for (Own& o : shared_own_) pass(o);
  drift_ += kDriftRate * surprise;
  return rate * surprise;
}

void StepCosts::saw_verify(int rows, double ms) noexcept {
  const int i = rows - 1;
  if (rows > max_rows()) return;
  double correction = saw(&verify_own_[static_cast<size_t>(i)], verify(rows), ms);
  verify_own_[static_cast<size_t>(i)].factor += correction;
  // One row tells of itself alone: it is what the others are compared with.
  for (size_t j = static_cast<size_t>(i) + 1; i > 0 && j < verify_.size(); j++) {
    verify_own_[j].factor += correction *= kNeighbour;
  }
}

void StepCosts::saw_drafts(DraftKind kind, std::span<const int> sequences, double ms) noexcept {
  if (kind == DraftKind::kFree || sequences.empty()) return;
  double expected = 0;
  for (size_t i = 0; i < sequences.size(); i++) expected += pass(kind, static_cast<int>(i), sequences[i]);
  const int most = sequences.front();
  Own& own = most == 1 ? draft_own_[static_cast<size_t>(kind)] : shared_own_[shared_entry(most)];
  own.factor += saw(&own, expected, ms);
}

}  // namespace nextn
