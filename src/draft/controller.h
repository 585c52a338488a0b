// How many drafts are worth making, cycle by cycle (D7): as many as the tokens they are expected to add outweigh the
// time they are expected to take. None is a legal answer. The text never depends on it.
//
// With a_i the chance that draft i is right and P_i = a_1 .. a_i, a cycle of k drafts gives E(k) = 1 + P_1 + .. + P_k
// tokens and takes C(k) = drafts(k) + verify(k + 1). The best rate is r = max_k E(k) / C(k). Having made n drafts,
// whose confidences are known by then, further ones are worth it while for some j > n
//
//   (P_{n+1} + .. + P_j)  >  r (C(j) - C(n))
//
// and of the drafts made, the first m are verified that make P_1 + .. + P_m - r verify(m + 1) largest.
//
// Where no draft is worth it, one is made now and then all the same and compared with what the trunk chooses, without
// being verified: such a probe costs a draft alone, and it finds the way back. Rarer still some are verified as well: a
// trial, which corrects what such a cycle is thought to cost and what is thought of drafts deeper than a probe sees. A
// trial that cost nothing is soon followed by another.
#pragma once

#include <vector>

#include "draft/acceptance.h"
#include "draft/step_costs.h"

namespace nextn {

// What else a cycle does, for the sequences beside this one: their rows, the tokens expected of them, and the time that
// their drafts take. Passes of the drafter that several share are divided among them.
struct Company {
  int rows = 0;
  double tokens = 0, draft_ms = 0;
  int sharers = 1;  // sequences that have drafts made in the same passes, this one too
};

class DraftController {
 public:
  // For drafts of this kind. `costs` outlives the controller, which corrects them.
  DraftController(StepCosts& costs, int max_draft, DraftKind kind = DraftKind::kHead);

  // A cycle that may have at most `limit` drafts.
  void begin_cycle(int limit, const Company& company = {}) noexcept;
  void meet(const Company& company) noexcept { company_ = company; }  // it has changed while drafts were made
  // Tokens in a millisecond, as expected of this cycle: before any draft is made, and of those that were made.
  double expected_rate() const noexcept;
  double drafted_rate() const noexcept;
  bool wants_draft() const noexcept;  // one more
  void drafted(float p) noexcept;     // it was made, with this probability in its drafter's eyes
  void gave_up() noexcept;            // or it took its time and there is none: as good as a wrong one
  int n_to_verify() const noexcept;   // of the drafts made, the first so many
  // The trunk has chosen in the place of draft `position`, and those before it were right. This is known for every
  // draft that was verified and for the one after the last of them.
  void saw(int position, bool right) noexcept;
  double expected_tokens(int n_verified) const noexcept;  // with the first so many of the drafts made
  // The cycle is over: it verified n_verified drafts and gave n_tokens; the figures are what its share of the drafts
  // and the whole step took. Who measured them tells the costs.
  void end_cycle(int n_verified, int n_tokens, double draft_ms, double verify_ms) noexcept;
  // The cycle is over and somebody else's drafts were verified in it.
  void end_idle_cycle(int n_tokens) noexcept;

  // Drafts of a cycle that pay most at the present rates, before any confidence is known; 0: none does.
  int best_length() const noexcept { return best_length_; }

 private:
  void choose_length() noexcept;
  int trial_length() const noexcept;
  bool could_pay() const noexcept;
  bool probe_is_due() const noexcept;
  double drafts_ms(int n) const noexcept {  // its share
    const int sharers = kind_ == DraftKind::kHead ? company_.sharers : 1;
    return costs_.drafts(kind_, n, sharers) / sharers;
  }
  // Of the whole step, company included.
  double verify_ms(int n) const noexcept { return costs_.verify(company_.rows + n + 1); }
  double cycle_ms(int n) const noexcept { return company_.draft_ms + drafts_ms(n) + verify_ms(n); }
  double plain_tokens() const noexcept { return 1 + company_.tokens; }
  double plain_token_ms() const noexcept { return cycle_ms(0) / plain_tokens(); }
  void pass_tokens(int n) noexcept;

  StepCosts& costs_;
  Acceptance acceptance_;
  int max_draft_;
  DraftKind kind_;
  int best_length_ = 0;
  double best_rate_ = 0;  // tokens in a millisecond, with best_length_ drafts
  double rate_ = 0;       // the best there is
  // of the last cycles, costs as the table has them
  double recent_tokens_ = 0, recent_ms_ = 0;
  double probe_credit_ = 0;  // ms that probes may take, earned by the time that passes
  double since_probe_ = 0;   // tokens
  bool missed_ = true;       // the last probe
  double until_trial_ = 0;   // tokens
  // of the running cycle
  int limit_ = 0;
  Company company_;
  bool gave_up_ = false;
  int trial_length_ = 0;       // drafts to verify whether they seem to pay or not
  std::vector<float> p_;       // of the drafts made
  std::vector<double> chain_;  // P_1 .. P_n of them
};

}  // namespace nextn
