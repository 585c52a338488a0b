#include "draft/controller.h"

#include <algorithm>

#include "base/error.h"

namespace nextn {

namespace {

constexpr double kProbeShare = 0.006;                             // of the time that probes may take
constexpr double kMinProbeInterval = 4, kMaxProbeInterval = 128;  // tokens
constexpr double kTrialShare = 0.002;                             // and trials
constexpr double kMinTrialInterval = 96, kMaxTrialInterval = 1024;
constexpr double kAfterGain = 4;  // tokens to the next trial
constexpr double kOverdraft = 3;  // probes on credit, while they are right: the text may have changed
constexpr double kRecentKeep = 0.9;
// How often a draft deeper than any seen is thought to be right, as a share of how often the one before it is. A
// model's grow worse as they feed on each other; what is copied, or forced by a grammar, goes on as it did.
constexpr double kModelDeeper = 0.97, kFreeDeeper = 1;
constexpr double kMargin = 1.01;  // a gain smaller than this is not worth a guess

}  // namespace

DraftController::DraftController(StepCosts& costs, int max_draft, DraftKind kind)
    : costs_(costs),
      acceptance_(max_draft, kind == DraftKind::kFree ? kFreeDeeper : kModelDeeper),
      max_draft_(max_draft),
      kind_(kind),
      since_probe_(kMaxProbeInterval),
      until_trial_(kMinTrialInterval) {
  p_.reserve(static_cast<size_t>(max_draft));
  chain_.reserve(static_cast<size_t>(max_draft));
}

void DraftController::choose_length() noexcept {
  const double plain = 1 / plain_token_ms();
  best_length_ = 0;
  best_rate_ = plain;
  double expected = plain_tokens(), chain = 1;
  for (int k = 1; k <= max_draft_; k++) {
    expected += chain *= acceptance_.at(k - 1);
    const double rate = expected / cycle_ms(k);
    if (rate > best_rate_ && rate > plain * kMargin) {
      best_rate_ = rate;
      best_length_ = k;
    }
  }
}

// The best length if every draft were right as often as the first one is; at least 1.
int DraftController::trial_length() const noexcept {
  const double first = acceptance_.at(0);
  double expected = plain_tokens(), chain = 1, best_rate = 0;
  int best = 1;
  for (int k = 1; k <= max_draft_; k++) {
    expected += chain *= first;
    if (expected / cycle_ms(k) <= best_rate) continue;
    best_rate = expected / cycle_ms(k);
    best = k;
  }
  return best;
}

// Whether drafts that are always right would be worth it: else there is nothing to look for.
bool DraftController::could_pay() const noexcept {
  for (int k = 1; k <= max_draft_; k++) {
    if ((k + plain_tokens()) / cycle_ms(k) > kMargin / plain_token_ms()) return true;
  }
  return false;
}

void DraftController::begin_cycle(int limit, const Company& company) noexcept {
  limit_ = std::min(limit, max_draft_);
  company_ = company;
  p_.clear();
  chain_.clear();
  gave_up_ = false;
  choose_length();
  rate_ = best_rate_;
  // What was reached lately counts too: confidences let drafts stop where they would fail, so it may be more.
  if (best_length_ > 0 && recent_ms_ > 0) rate_ = std::max(rate_, recent_tokens_ / recent_ms_);
  trial_length_ = best_length_ == 0 && until_trial_ <= 0 ? std::min(trial_length(), limit_) : 0;
}

double DraftController::expected_rate() const noexcept {
  if (best_length_ <= limit_) return best_rate_;
  double expected = plain_tokens(), chain = 1;
  for (int k = 1; k <= limit_; k++) expected += chain *= acceptance_.at(k - 1);
  return expected / cycle_ms(limit_);
}

double DraftController::drafted_rate() const noexcept {
  const double drafts = company_.draft_ms + drafts_ms(static_cast<int>(p_.size()));
  double expected = plain_tokens(), best = expected / (drafts + verify_ms(0));
  for (size_t m = 1; m <= chain_.size(); m++) {
    expected += chain_[m - 1];
    best = std::max(best, expected / (drafts + verify_ms(static_cast<int>(m))));
  }
  return best;
}

bool DraftController::wants_draft() const noexcept {
  const int n = static_cast<int>(p_.size());
  if (n >= limit_) return false;
  if (n < trial_length_) return true;
  if (best_length_ == 0 && n == 0) return probe_is_due() && could_pay();
  double chain = n == 0 ? 1 : chain_.back();
  double gain = 0, best = 0, stop = 0;  // beyond the n drafts made; stop: by verifying fewer of them
  double lost = 0;
  for (int m = n - 1; m >= 0; m--) {
    lost += chain_[static_cast<size_t>(m)];
    stop = std::max(stop, rate_ * (verify_ms(n) - verify_ms(m)) - lost);
  }
  for (int j = n + 1; j <= limit_; j++) {
    gain += chain *= acceptance_.at(j - 1);
    best = std::max(best, gain - rate_ * (cycle_ms(j) - cycle_ms(n)));
  }
  return best > stop;
}

void DraftController::drafted(float p) noexcept {
  const double before = chain_.empty() ? 1 : chain_.back();
  chain_.push_back(before * acceptance_.at(static_cast<int>(p_.size()), p));
  p_.push_back(p);
}

void DraftController::gave_up() noexcept {
  if (kind_ == DraftKind::kFree) return;
  gave_up_ = true;
  acceptance_.saw(static_cast<int>(p_.size()), kUnknownP, false);
  if (p_.empty()) missed_ = true;
}

int DraftController::n_to_verify() const noexcept {
  int best = 0;
  double value = 0, best_value = -rate_ * verify_ms(0);
  for (int m = 1; m <= static_cast<int>(p_.size()); m++) {
    value += chain_[static_cast<size_t>(m - 1)];
    if (value - rate_ * verify_ms(m) > best_value) {
      best_value = value - rate_ * verify_ms(m);
      best = m;
    }
  }
  return std::max(best, std::min(trial_length_, static_cast<int>(p_.size())));
}

double DraftController::expected_tokens(int n_verified) const noexcept {
  double expected = 1;
  for (int m = 0; m < n_verified; m++) expected += chain_[static_cast<size_t>(m)];
  return expected;
}

void DraftController::saw(int position, bool right) noexcept {
  acceptance_.saw(position, p_[static_cast<size_t>(position)], right);
  if (position == 0) missed_ = !right;
}

void DraftController::end_cycle(int n_verified, int n_tokens, double draft_ms, double verify_ms) noexcept {
  const int n_drafts = static_cast<int>(p_.size());
  recent_tokens_ = recent_tokens_ * kRecentKeep + company_.tokens + n_tokens;
  recent_ms_ = recent_ms_ * kRecentKeep + company_.draft_ms + drafts_ms(n_drafts) + this->verify_ms(n_verified);
  pass_tokens(n_tokens);
  if (n_verified > 0) {
    const double plain = plain_token_ms(),
                 lost_ms = company_.draft_ms + draft_ms + verify_ms - (company_.tokens + n_tokens) * plain;
    until_trial_ =
        lost_ms > 0 ? std::clamp(lost_ms / (kTrialShare * plain), kMinTrialInterval, kMaxTrialInterval) : kAfterGain;
  } else if (trial_length_ > 0) {
    until_trial_ = kMinTrialInterval;  // there was nothing to try
  }
}

void DraftController::end_idle_cycle(int n_tokens) noexcept {
  pass_tokens(n_tokens);
}

void DraftController::pass_tokens(int n) noexcept {
  acceptance_.age();
  until_trial_ -= n;
  since_probe_ += n;
  const double probe = drafts_ms(1);
  probe_credit_ = std::min(probe_credit_ + kProbeShare * n * plain_token_ms(), probe);
  const int n_drafts = static_cast<int>(p_.size()) + gave_up_;
  if (n_drafts == 0) return;
  since_probe_ = 0;
  if (best_length_ > 0) return;
  probe_credit_ = std::max(probe_credit_ - drafts_ms(n_drafts), -kOverdraft * probe);
}

bool DraftController::probe_is_due() const noexcept {
  if (kind_ == DraftKind::kFree || since_probe_ >= kMaxProbeInterval) return true;
  const double probe = drafts_ms(1);
  if (!missed_) return probe_credit_ >= (1 - kOverdraft) * probe;
  return since_probe_ >= kMinProbeInterval && probe_credit_ >= probe;
}

}  // namespace nextn
